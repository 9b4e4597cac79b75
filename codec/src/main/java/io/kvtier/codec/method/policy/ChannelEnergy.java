package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Set;

/**
 * Chooses the key channels that carry the logits: those of the largest ‖Q_j·K_jᵀ‖_F = ‖Q_j‖·‖K_j‖
 * over the last queries, mean over the group. ThinK: Y. Xu et al., ICLR 2025, arXiv 2407.21018,
 * section 3. Without the hint {@link Hint#QUERY_WINDOW} all queries count as equal and the energy
 * of the keys decides.
 *
 * @param pruned share of the channels that is left out, 0..1
 * @param window last queries that count; 32 in the paper
 */
public record ChannelEnergy(double pruned, int window) {
    /** Checks the ranges. */
    public ChannelEnergy {
        check(pruned >= 0 && pruned < 1, "share of pruned channels", pruned, "0 to below 1");
        check(window >= 1, "window", window, "at least 1");
    }

    /** The hints that it uses if they are there. */
    public Set<Hint> uses() {
        return Set.of(Hint.QUERY_WINDOW);
    }

    /** The channels to keep; ties go to the lower channel. */
    public ChannelMask mask(DenseKv kv, Hints hints) {
        Geometry geometry = kv.geometry();
        int dim = geometry.keyDim();
        int heads = geometry.kvHeads();
        int left = dim - (int) (dim * pruned);
        List<BitSet> kept = new ArrayList<>();
        for (int i = 0; i < kv.keys().length * heads; i++) {
            double[] queries = queryEnergy(kv, hints, i / heads, i % heads);
            double[] keys = keyEnergy(kv, i / heads, i % heads);
            float[] scores = new float[dim];
            for (int d = 0; d < dim; d++) {
                scores[d] = (float) (queries[d] * keys[d]);
            }
            BitSet set = new BitSet(dim);
            Arrays.stream(Ranking.descending(scores, 0, dim)).limit(left).forEach(set::set);
            kept.add(set);
        }
        return new ChannelMask(heads, dim, kept);
    }

    private double[] queryEnergy(DenseKv kv, Hints hints, int layer, int head) {
        int dim = kv.geometry().keyDim();
        double[] out = new double[dim];
        if (!hints.has(uses())) {
            Arrays.fill(out, 1);
            return out;
        }
        int group = kv.geometry().queryHeads() / kv.geometry().kvHeads();
        WindowQueries queries = WindowQueries.of(kv, hints);
        for (int query = head * group; query < (head + 1) * group; query++) {
            double[] energy = queries.energy(layer, query, window);
            for (int d = 0; d < dim; d++) {
                out[d] += energy[d] / group;
            }
        }
        return out;
    }

    private static double[] keyEnergy(DenseKv kv, int layer, int head) {
        int dim = kv.geometry().keyDim();
        double[] out = new double[dim];
        for (int token = 0; token < kv.tokens(); token++) {
            int at = (token * kv.geometry().kvHeads() + head) * dim;
            for (int d = 0; d < dim; d++) {
                double key = kv.keys()[layer][at + d];
                out[d] += key * key / kv.tokens();
            }
        }
        return out;
    }
}
