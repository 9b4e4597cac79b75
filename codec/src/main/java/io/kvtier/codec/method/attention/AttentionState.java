package io.kvtier.codec.method.attention;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.Arrays;

/**
 * Attention of some queries over some of the keys, such that states over disjoint keys merge into
 * that over all of them: for each query the largest logit m, s = Σ exp(logit − m) and o = Σ
 * exp(logit − m)·v. Merging is associative and commutative (T. Dao et al., FlashAttention, arXiv
 * 2205.14135; L. Ye et al., ChunkAttention, arXiv 2402.15220, section 3.3).
 *
 * @param queries rows: query heads times queries of a head
 * @param dim elements of a value
 * @param max m of each row; −∞ = no key yet
 * @param sum s of each row
 * @param output o, {@code [queries, dim]}
 */
@SuppressWarnings("ArrayRecordComponent") // lent
public record AttentionState(int queries, int dim, float[] max, float[] sum, float[] output) {
    /** Attention over no key. */
    public static AttentionState empty(int queries, int dim) {
        float[] max = new float[queries];
        Arrays.fill(max, Float.NEGATIVE_INFINITY);
        return new AttentionState(queries, dim, max, new float[queries], new float[queries * dim]);
    }

    /** The state over the keys of both, which must be disjoint. */
    public AttentionState merge(AttentionState other) {
        check(other.queries == queries, "queries of a state", other.queries, queries);
        check(other.dim == dim, "value elements of a state", other.dim, dim);
        AttentionState out = empty(queries, dim);
        for (int q = 0; q < queries; q++) {
            float top = Math.max(max[q], other.max[q]);
            float mine = scale(max[q], top);
            float theirs = scale(other.max[q], top);
            out.max[q] = top;
            out.sum[q] = mine * sum[q] + theirs * other.sum[q];
            for (int d = q * dim; d < (q + 1) * dim; d++) {
                out.output[d] = mine * output[d] + theirs * other.output[d];
            }
        }
        return out;
    }

    /** The rows {@code [from, to)} alone: what one of several sequences asked. */
    public AttentionState rows(int from, int to) {
        return new AttentionState(
                to - from,
                dim,
                Arrays.copyOfRange(max, from, to),
                Arrays.copyOfRange(sum, from, to),
                Arrays.copyOfRange(output, from * dim, to * dim));
    }

    /** Softmax times values, {@code [queries, dim]}; 0 for a row that saw no key. */
    public float[] attended() {
        float[] out = new float[output.length];
        for (int q = 0; q < queries; q++) {
            for (int d = q * dim; d < (q + 1) * dim && sum[q] > 0; d++) {
                out[d] = output[d] / sum[q];
            }
        }
        return out;
    }

    /** exp(m − top), 0 for a side without keys. */
    static float scale(float m, float top) {
        return m == Float.NEGATIVE_INFINITY ? 0 : (float) StrictMath.exp(m - top);
    }
}
