package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;
import java.util.Arrays;
import java.util.BitSet;

/**
 * Keeps fewer tokens the deeper the layer, each layer a subset of the one before, the same in all
 * heads. PyramidInfer: D. Yang et al., Findings of ACL 2024, arXiv 2405.12532. Of the context
 * before the recent tokens layer i keeps {@code ⌊kept·r_i⌋} of what layer i − 1 kept, {@code r_i =
 * 1 − strength·(1 − cos(πi/L))/2}; a strength of 0.1 is the published decay of 0.9, here the
 * smallest that meets the budget is taken. Layer 0 keeps everything.
 *
 * @param sinks first tokens, never dropped
 * @param recentShare of the tokens that a head can keep on average, never dropped; 0.2
 * @param least context tokens of any layer, where there are so many
 */
public record CosineLayers(int sinks, double recentShare, int least) implements Allocator {
    /** Strengths are tried in steps of its inverse. */
    private static final int STEPS = 1024;

    private static final int STRENGTH_MAX = 64;

    /** Checks the ranges. */
    public CosineLayers {
        check(sinks >= 0, "sinks", sinks, "0 or more");
        check(recentShare >= 0 && recentShare <= 1, "recent share", recentShare, "0..1");
        check(least >= sinks, "least context", least, "at least the sinks");
    }

    @Override
    public String name() {
        return "cosine layers, " + sinks + " sinks, recent " + recentShare;
    }

    @Override
    public RateMap allocate(DenseKv kv, Scores scores, RateMap from, long bytes) {
        int recent = (int) (recentShare * Selection.tokensPerHead(kv, from, bytes));
        int context = kv.tokens() - recent;
        int[][] order = new int[scores.values().length][];
        for (int layer = 0; layer < order.length; layer++) {
            order[layer] = Ranking.descending(headMean(scores, layer, context), 0, context);
        }
        int gentle =
                Selection.largest(
                        STEPS * STRENGTH_MAX,
                        bytes,
                        g -> keep(kv, order, from, strength(g)).bytes(kv.geometry()) <= bytes);
        return keep(kv, order, from, strength(gentle));
    }

    /** Context tokens of each layer; strength 0 = all in all layers. */
    static int[] lengths(int context, int layers, double strength, int least) {
        int[] out = new int[layers];
        int length = context;
        for (int layer = 0; layer < layers; layer++) {
            double r = 1 - strength * (1 - StrictMath.cos(Math.PI * layer / layers)) / 2;
            length = Math.max((int) (length * Math.max(r, 0)), Math.min(least, length));
            out[layer] = length;
        }
        return out;
    }

    private static double strength(int gentleness) {
        return STRENGTH_MAX - (double) gentleness / STEPS;
    }

    private RateMap keep(DenseKv kv, int[][] order, RateMap from, double strength) {
        int context = order[0].length;
        int[] lengths = lengths(context, order.length, strength, least);
        BitSet kept = new BitSet();
        kept.set(0, context);
        RateMap out = from.copy();
        for (int layer = 0; layer < order.length; layer++) {
            BitSet next = new BitSet();
            int[] alive = Arrays.stream(order[layer]).filter(kept::get).toArray();
            for (int n = 0; n < lengths[layer]; n++) {
                next.set(alive[n]);
            }
            kept = next;
            for (int i = 0; i < kv.tokens() * from.kvHeads(); i++) {
                int token = i % kv.tokens();
                if (token < context && !kept.get(token)) {
                    for (Kind kind : Kind.values()) {
                        out.plane(kind)[layer][i] = 0;
                    }
                }
            }
        }
        return out;
    }

    /** The score of each context token, mean of the heads, sinks above all others. */
    private float[] headMean(Scores scores, int layer, int context) {
        float[] out = new float[context];
        float step = Ranking.step(scores);
        for (int token = 0; token < context; token++) {
            double sum = 0;
            for (int head = 0; head < scores.kvHeads(); head++) {
                sum += scores.at(layer, head, token);
            }
            out[token] = (float) (sum / scores.kvHeads()) + (token < sinks ? step : 0);
        }
        return out;
    }
}
