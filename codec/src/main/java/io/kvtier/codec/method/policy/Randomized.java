package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;
import java.util.SplittableRandom;

/**
 * Draws a part of the kept tokens at random, without replacement, with probabilities softmax(score)
 * among those that are not kept for their score; another allocator then takes them. NACL: Y. Chen
 * et al., ACL 2024, arXiv 2408.03675, section 3.2.
 *
 * <p>Sampling by Gumbel noise: the largest n of score + noise are distributed as n draws one after
 * another (W. Kool et al., ICML 2019, arXiv 1903.06059).
 *
 * @param share of the tokens that a head can keep on average, drawn at random; 0.35 in the paper
 * @param seed of the noise: the same seed draws the same tokens
 */
public record Randomized(double share, long seed, Allocator inner) implements Allocator {
    /** Checks the range. */
    public Randomized {
        check(share >= 0 && share <= 1, "random share", share, "0..1");
    }

    @Override
    public String name() {
        return "random " + share + " (seed " + seed + "), " + inner.name();
    }

    @Override
    public RateMap allocate(DenseKv kv, Scores scores, RateMap from, long bytes) {
        int kept = Selection.tokensPerHead(kv, from, bytes);
        int certain = kept - (int) (kept * share);
        SplittableRandom random = new SplittableRandom(seed);
        int tokens = scores.tokens();
        Scores noisy = Ranking.copy(scores);
        for (int layer = 0; layer < scores.values().length; layer++) {
            float[] row = noisy.values()[layer];
            for (int i = 0; i < row.length; i++) {
                row[i] += gumbel(random);
            }
        }
        float step = Math.max(Ranking.step(noisy), Ranking.step(scores));
        for (int layer = 0; layer < scores.values().length; layer++) {
            float[] row = noisy.values()[layer];
            for (int head = 0; head < scores.kvHeads(); head++) {
                int[] order = Ranking.descending(scores.values()[layer], head * tokens, tokens);
                for (int n = 0; n < certain; n++) {
                    int at = head * tokens + order[n];
                    row[at] = scores.values()[layer][at] + step;
                }
            }
        }
        return inner.allocate(kv, noisy, from, bytes);
    }

    private static float gumbel(SplittableRandom random) {
        double uniform = (random.nextInt(1 << 30) + 0.5) / (1 << 30);
        return (float) -StrictMath.log(-StrictMath.log(uniform));
    }
}
