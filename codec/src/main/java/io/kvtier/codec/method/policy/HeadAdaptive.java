package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.function.IntConsumer;

/**
 * Keeps in each layer the tokens of the highest scores whatever their heads, so that heads with
 * spread attention keep more, after each head took a safe part of its own. AdaKV: Y. Feng et al.,
 * NeurIPS 2025, arXiv 2407.11550, algorithm 1. Scores of the heads of a layer must be of one scale.
 *
 * @param safeguard share of the mean count that each head keeps for itself; 0.2 in the paper
 */
public record HeadAdaptive(double safeguard) implements Allocator {
    /** Checks the range. */
    public HeadAdaptive {
        check(safeguard >= 0 && safeguard <= 1, "safeguard", safeguard, "0..1");
    }

    @Override
    public String name() {
        return "head-adaptive " + safeguard;
    }

    @Override
    public RateMap allocate(DenseKv kv, Scores scores, RateMap from, long bytes) {
        Selection selection = new Selection(kv, scores, from, EnumSet.allOf(Kind.class));
        int heads = scores.kvHeads();
        int n =
                Selection.largest(
                        kv.tokens(),
                        bytes,
                        mean -> {
                            int[] counts = counts(scores, mean);
                            return selection.bytes((l, h) -> counts[l * heads + h]) <= bytes;
                        });
        int[] counts = counts(scores, n);
        return selection.keep((layer, head) -> counts[layer * heads + head]);
    }

    /** Tokens of each layer and head when a head keeps {@code mean} on average. */
    private int[] counts(Scores scores, int mean) {
        int heads = scores.kvHeads();
        int tokens = scores.tokens();
        int safe = safeguard > 0 && mean > 0 ? Math.max(1, (int) (mean * safeguard)) : 0;
        int[] out = new int[scores.values().length * heads];
        for (int layer = 0; layer < scores.values().length; layer++) {
            // By position before head, so that a tie goes to the lower position.
            float[] byPosition = new float[tokens * heads];
            boolean[] taken = new boolean[tokens * heads];
            for (int head = 0; head < heads; head++) {
                int[] order = Ranking.descending(scores.values()[layer], head * tokens, tokens);
                for (int t = 0; t < tokens; t++) {
                    byPosition[t * heads + head] = scores.at(layer, head, t);
                    taken[order[t] * heads + head] = t < safe;
                }
                out[layer * heads + head] = safe;
            }
            int[] order = Ranking.descending(byPosition, 0, tokens * heads);
            Arrays.stream(order)
                    .filter(i -> !taken[i])
                    .limit((long) (mean - safe) * heads)
                    .forEach(addTo(out, layer * heads, heads));
        }
        return out;
    }

    private static IntConsumer addTo(int[] counts, int at, int heads) {
        return i -> counts[at + i % heads]++;
    }
}
