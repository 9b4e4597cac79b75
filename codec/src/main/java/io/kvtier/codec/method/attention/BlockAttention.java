package io.kvtier.codec.method.attention;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.method.DenseKv;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Iterator;

/**
 * Exact attention over chunks that come one by one, in memory that does not grow with them: the
 * logits of one query over one tile of keys, and the state. An online softmax after T. Dao et al.,
 * FlashAttention, arXiv 2205.14135, algorithm 1. A query head reads KV head {@code ⌊h·kvHeads /
 * heads⌋}; windows of the geometry hold.
 */
public final class BlockAttention {
    /** Keys whose logits are held at a time. */
    private static final int TILE = 64;

    private BlockAttention() {}

    /** Attention over all blocks, each taken from the iterator once and let go before the next. */
    public static AttentionState attend(Queries queries, int valueDim, Iterator<KeyBlock> blocks) {
        AttentionState state = AttentionState.empty(queries.heads() * queries.count(), valueDim);
        while (blocks.hasNext()) {
            add(queries, blocks.next(), state);
        }
        return state;
    }

    /** Attention over one block. */
    public static AttentionState attend(Queries queries, KeyBlock block) {
        AttentionState state =
                AttentionState.empty(
                        queries.heads() * queries.count(), block.kv().geometry().valueDim());
        add(queries, block, state);
        return state;
    }

    /**
     * Attention that each token of a block gets from the queries, summed over queries and averaged
     * over the query heads of its KV head: {@code [kvHeads, tokens]}.
     *
     * @param whole the state over every key that the queries see, so that weights sum to 1
     */
    public static float[] columnSums(Queries queries, KeyBlock block, AttentionState whole) {
        int kvHeads = block.kv().geometry().kvHeads();
        int tokens = block.kv().tokens();
        int group = queries.heads() / kvHeads;
        float[] out = new float[kvHeads * tokens];
        float[] logits = new float[TILE];
        for (int row = 0; row < whole.queries(); row++) {
            int kvHead = row / queries.count() / group;
            for (int from = 0; from < tokens && whole.sum()[row] > 0; from += TILE) {
                int size = Math.min(TILE, tokens - from);
                float _ = logits(queries, block, row, kvHead, from, size, logits);
                for (int i = 0; i < size; i++) {
                    float weight = AttentionState.scale(logits[i], whole.max()[row]);
                    out[kvHead * tokens + from + i] += weight / whole.sum()[row] / group;
                }
            }
        }
        return out;
    }

    private static void add(Queries queries, KeyBlock block, AttentionState state) {
        Geometry geometry = block.kv().geometry();
        int heads = geometry.kvHeads();
        check(queries.heads() % heads == 0, "query heads", queries.heads(), "groups of KV heads");
        check(queries.dim() == geometry.keyDim(), "query dim", queries.dim(), geometry.keyDim());
        check(state.dim() == geometry.valueDim(), "value dim", state.dim(), geometry.valueDim());
        int group = queries.heads() / heads;
        float[] logits = new float[TILE];
        for (int row = 0; row < state.queries(); row++) {
            int kvHead = row / queries.count() / group;
            for (int from = 0; from < block.kv().tokens(); from += TILE) {
                int size = Math.min(TILE, block.kv().tokens() - from);
                float top = logits(queries, block, row, kvHead, from, size, logits);
                if (top != Float.NEGATIVE_INFINITY) {
                    addTile(block, row, kvHead, from, size, logits, top, state);
                }
            }
        }
    }

    private static void addTile(
            KeyBlock block,
            int row,
            int kvHead,
            int from,
            int size,
            float[] logits,
            float tileTop,
            AttentionState state) {
        int dim = state.dim();
        float[] values = block.kv().values()[block.layer()];
        float top = Math.max(state.max()[row], tileTop);
        float shrink = AttentionState.scale(state.max()[row], top);
        state.max()[row] = top;
        state.sum()[row] *= shrink;
        for (int d = 0; d < dim; d++) {
            state.output()[row * dim + d] *= shrink;
        }
        for (int i = 0; i < size; i++) {
            float weight = AttentionState.scale(logits[i], top);
            if (weight == 0) {
                continue;
            }
            state.sum()[row] += weight;
            int at = ((from + i) * block.kv().geometry().kvHeads() + kvHead) * dim;
            for (int d = 0; d < dim; d++) {
                state.output()[row * dim + d] += weight * values[at + d];
            }
        }
    }

    /** Writes the logits of a row over a tile, −∞ where it must not look; returns the largest. */
    private static float logits(
            Queries queries,
            KeyBlock block,
            int row,
            int kvHead,
            int from,
            int size,
            float[] logits) {
        DenseKv kv = block.kv();
        Geometry geometry = kv.geometry();
        BitSet kept = block.kept().get(kvHead);
        float[] keys = kv.keys()[block.layer()];
        int window = geometry.window().get(geometry.storedLayers().get(block.layer()));
        int position = queries.firstPosition() + row % queries.count();
        double unit = 1 / Math.sqrt(queries.dim());
        Arrays.fill(logits, Float.NEGATIVE_INFINITY);
        float top = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < size; i++) {
            int token = from + i;
            int age = position - kv.firstPosition() - token;
            boolean future = queries.causal() && age < 0;
            if (!kept.get(token) || future || (window > 0 && age >= window)) {
                continue;
            }
            int at = (token * geometry.kvHeads() + kvHead) * queries.dim();
            double logit =
                    unit * dot(queries.values(), row * queries.dim(), keys, at, queries.dim());
            logit += block.bias().length == 0 ? 0 : block.bias()[kvHead * kv.tokens() + token];
            logits[i] = (float) logit;
            top = Math.max(top, logits[i]);
        }
        return top;
    }

    private static double dot(float[] a, int atA, float[] b, int atB, int length) {
        double sum = 0;
        for (int i = 0; i < length; i++) {
            sum += a[atA + i] * b[atB + i];
        }
        return sum;
    }
}
