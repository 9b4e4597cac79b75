package io.kvtier.codec;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Products of a group's channels with its analysis matrix. Each output sums the channels in order,
 * a multiplication and an addition rounded apart, so that every machine and vector width gives the
 * same bits. Reusable, not thread-safe.
 */
final class Analysis {
    /* Vectors lie along tokens, so no sum is split among lanes. TILE outputs by two vectors of
     * tokens stay in registers (with more, the compiler spills) while the channels of these tokens
     * pass by, packed one behind the other. A few such blocks of tokens stay in the cache while the
     * matrix passes by.
     */
    private static final VectorSpecies<Float> WIDE = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = WIDE.length();
    private static final int BLOCK = 2 * LANES;
    private static final int TILE = 4;
    private static final int BLOCKS = 64 / BLOCK;

    private final float[] sums = new float[TILE * BLOCK];
    private float[] packed = new float[0];

    /**
     * {@code y[c·n + t] = Σ_w matrix[c·width + w]·(x[t·stride + w] − mean[w])}, w ascending.
     *
     * @param n tokens
     */
    void multiply(
            float[] matrix,
            int rank,
            int width,
            float[] mean,
            float[] x,
            int stride,
            int n,
            float[] y) {
        if (packed.length < BLOCKS * BLOCK * width) {
            packed = new float[BLOCKS * BLOCK * width];
        }
        for (int first = 0; first < n; first += BLOCKS * BLOCK) {
            int end = Math.min(first + BLOCKS * BLOCK, n);
            for (int t = first; t < end; t += BLOCK) {
                pack(
                        x,
                        t * stride,
                        stride,
                        Math.min(BLOCK, n - t),
                        mean,
                        width,
                        (t - first) * width);
            }
            for (int c = 0; c < rank; c += TILE) {
                int rows = Math.min(TILE, rank - c);
                for (int t = first; t < end; t += BLOCK) {
                    int from = (t - first) * width;
                    if (rows == TILE) {
                        four(matrix, c * width, width, from);
                    } else {
                        for (int j = 0; j < rows; j++) {
                            one(matrix, (c + j) * width, width, from, j * BLOCK);
                        }
                    }
                    for (int j = 0; j < rows; j++) {
                        int count = Math.min(BLOCK, n - t);
                        System.arraycopy(sums, j * BLOCK, y, (c + j) * n + t, count);
                    }
                }
            }
        }
    }

    private void pack(float[] x, int at, int stride, int tokens, float[] mean, int width, int to) {
        for (int w = 0; w < width; w++) {
            for (int j = 0; j < tokens; j++) {
                packed[to + w * BLOCK + j] = x[at + j * stride + w] - mean[w];
            }
            for (int j = tokens; j < BLOCK; j++) {
                packed[to + w * BLOCK + j] = 0;
            }
        }
    }

    private void four(float[] matrix, int row, int width, int from) {
        FloatVector a0 = FloatVector.zero(WIDE);
        FloatVector b0 = a0;
        FloatVector a1 = a0;
        FloatVector b1 = a0;
        FloatVector a2 = a0;
        FloatVector b2 = a0;
        FloatVector a3 = a0;
        FloatVector b3 = a0;
        for (int w = 0; w < width; w++) {
            FloatVector a = FloatVector.fromArray(WIDE, packed, from + w * BLOCK);
            FloatVector b = FloatVector.fromArray(WIDE, packed, from + w * BLOCK + LANES);
            FloatVector m = FloatVector.broadcast(WIDE, matrix[row + w]);
            a0 = a0.add(a.mul(m));
            b0 = b0.add(b.mul(m));
            m = FloatVector.broadcast(WIDE, matrix[row + width + w]);
            a1 = a1.add(a.mul(m));
            b1 = b1.add(b.mul(m));
            m = FloatVector.broadcast(WIDE, matrix[row + 2 * width + w]);
            a2 = a2.add(a.mul(m));
            b2 = b2.add(b.mul(m));
            m = FloatVector.broadcast(WIDE, matrix[row + 3 * width + w]);
            a3 = a3.add(a.mul(m));
            b3 = b3.add(b.mul(m));
        }
        a0.intoArray(sums, 0);
        b0.intoArray(sums, LANES);
        a1.intoArray(sums, BLOCK);
        b1.intoArray(sums, BLOCK + LANES);
        a2.intoArray(sums, 2 * BLOCK);
        b2.intoArray(sums, 2 * BLOCK + LANES);
        a3.intoArray(sums, 3 * BLOCK);
        b3.intoArray(sums, 3 * BLOCK + LANES);
    }

    private void one(float[] matrix, int row, int width, int from, int to) {
        FloatVector a = FloatVector.zero(WIDE);
        FloatVector b = a;
        for (int w = 0; w < width; w++) {
            float m = matrix[row + w];
            a = a.add(FloatVector.fromArray(WIDE, packed, from + w * BLOCK).mul(m));
            b = b.add(FloatVector.fromArray(WIDE, packed, from + w * BLOCK + LANES).mul(m));
        }
        a.intoArray(sums, to);
        b.intoArray(sums, to + LANES);
    }
}
