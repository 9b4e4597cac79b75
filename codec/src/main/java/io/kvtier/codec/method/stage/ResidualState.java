package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.SplittableRandom;

/**
 * What a head remembers of tokens whose keys and values are gone: for each of a few buckets how
 * many there were and the sums of their keys and values. The survey's idea of an LSTM-like state,
 * without training; LESS (Dong et al., ICML 2024, arXiv 2402.09398) learns a kernel for the same.
 *
 * <p>A bucket stands in attention for {@code n} tokens of its mean key and value: one token whose
 * logit has ln(n) added. That is exact when the keys of a bucket are equal. Folding the states of
 * two runs of tokens is associative, so that a chain has one state at every place.
 *
 * @param dim elements of a key and of a value
 * @param counts of each bucket
 * @param keys sums {@code [buckets, dim]}
 * @param values sums, the same shape
 */
@SuppressWarnings("ArrayRecordComponent")
record ResidualState(int dim, long[] counts, double[] keys, double[] values) {
    /** Nothing remembered. */
    static ResidualState empty(int buckets, int dim) {
        return new ResidualState(
                dim, new long[buckets], new double[buckets * dim], new double[buckets * dim]);
    }

    int buckets() {
        return counts.length;
    }

    /** Takes in a token of the bucket. */
    void add(int bucket, float[] key, int keyAt, float[] value, int valueAt) {
        counts[bucket]++;
        for (int i = 0; i < dim; i++) {
            keys[bucket * dim + i] += key[keyAt + i];
            values[bucket * dim + i] += value[valueAt + i];
        }
    }

    /** The state of both runs of tokens together. */
    ResidualState fold(ResidualState other) {
        check(buckets() == other.buckets(), "buckets", other.buckets(), buckets());
        check(dim == other.dim, "elements of a key", other.dim, dim);
        ResidualState out = empty(buckets(), dim);
        for (int b = 0; b < buckets(); b++) {
            out.counts[b] = counts[b] + other.counts[b];
        }
        for (int i = 0; i < keys.length; i++) {
            out.keys[i] = keys[i] + other.keys[i];
            out.values[i] = values[i] + other.values[i];
        }
        return out;
    }

    /**
     * The bucket of a key: the signs of its products with fixed random directions (SimHash, M.
     * Charikar, STOC 2002), the same for all chunks, so that buckets of two runs mean the same.
     *
     * @param centre taken off first: keys of a head share a large mean
     */
    static int bucket(float[] key, int at, float[] centre, float[] directions) {
        int dim = centre.length;
        int out = 0;
        for (int d = 0; d * dim < directions.length; d++) {
            float sum = 0;
            for (int i = 0; i < dim; i++) {
                sum += (key[at + i] - centre[i]) * directions[d * dim + i];
            }
            out |= sum > 0 ? 1 << d : 0;
        }
        return out;
    }

    /** The directions of 2^{@code bits} buckets: {@code [bits, dim]}. */
    static float[] directions(int bits, int dim) {
        SplittableRandom random = new SplittableRandom(0x5eed);
        float[] out = new float[bits * dim];
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) random.nextGaussian();
        }
        return out;
    }
}
