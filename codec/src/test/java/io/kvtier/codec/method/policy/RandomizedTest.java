package io.kvtier.codec.method.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;
import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** NACL's random part draws as it says, and repeats under its seed. */
class RandomizedTest {
    private static final int TOKENS = 12;
    private static final int DRAWS = 10_000;

    /** Above this χ² of 11 degrees of freedom is met once in 100,000; the seeds are fixed. */
    private static final double CHI_SQUARE_MAX = 42.9;

    private final DenseKv kv = Caches.equal(1, 1, TOKENS);

    @Test
    void allocate_oneRandomToken_isDrawnWithSoftmaxOfTheScores() {
        Scores scores = Scores.zeros(1, 1, TOKENS);
        double[] p = new double[TOKENS];
        double total = 0;
        for (int t = 0; t < TOKENS; t++) {
            scores.values()[0][t] = (float) (0.3 * (t * 7 % TOKENS));
            p[t] = Math.exp(scores.values()[0][t]);
            total += p[t];
        }
        int[] drawn = new int[TOKENS];
        for (int seed = 0; seed < DRAWS; seed++) {
            drawn[keep(scores, 1, seed, 1.0 / TOKENS).nextSetBit(0)]++;
        }
        double chiSquare = 0;
        for (int t = 0; t < TOKENS; t++) {
            double expected = DRAWS * p[t] / total;
            chiSquare += (drawn[t] - expected) * (drawn[t] - expected) / expected;
        }
        assertThat(chiSquare).isLessThan(CHI_SQUARE_MAX);
    }

    /** Gumbel's second largest is what a second draw from the rest would be. */
    @Test
    void allocate_twoRandomTokens_areTwoDrawsWithoutReplacement() {
        Scores scores = Scores.zeros(1, 1, TOKENS);
        double[] p = new double[TOKENS];
        double total = 0;
        for (int t = 0; t < TOKENS; t++) {
            scores.values()[0][t] = t % 3;
            p[t] = Math.exp(t % 3);
            total += p[t];
        }
        int[] drawn = new int[TOKENS];
        for (int seed = 0; seed < DRAWS; seed++) {
            keep(scores, 1, seed, 2.0 / TOKENS).stream().forEach(t -> drawn[t]++);
        }
        double chiSquare = 0;
        for (int t = 0; t < TOKENS; t++) {
            double included = p[t] / total;
            for (int first = 0; first < TOKENS; first++) {
                included += first == t ? 0 : p[first] / total * p[t] / (total - p[first]);
            }
            double expected = DRAWS * included;
            chiSquare += (drawn[t] - expected) * (drawn[t] - expected) / expected;
        }
        assertThat(chiSquare).isLessThan(CHI_SQUARE_MAX);
    }

    @Test
    void allocate_share_keepsTheBestAndAnExactCount() {
        Scores scores = Caches.scores(new Random(1), kv);
        int[] order = Ranking.descending(scores.values()[0], 0, TOKENS);
        for (int seed = 0; seed < 100; seed++) {
            BitSet kept = keep(scores, 0.5, seed, 0.5);
            assertThat(kept.cardinality()).isEqualTo(6);
            assertThat(new boolean[] {kept.get(order[0]), kept.get(order[1]), kept.get(order[2])})
                    .containsOnly(true);
            assertThat(keep(scores, 0.5, seed, 0.5)).isEqualTo(kept);
        }
        assertThat(keep(scores, 0, 5, 0.5))
                .isEqualTo(
                        new TopTokens()
                                .allocate(kv, scores, Caches.raw(kv), Caches.budget(kv, 0.5))
                                .kept(Kind.KEYS, 0, 0));
    }

    private BitSet keep(Scores scores, double share, long seed, double budget) {
        RateMap rates =
                new Randomized(share, seed, new TopTokens())
                        .allocate(kv, scores, Caches.raw(kv), Caches.budget(kv, budget));
        return rates.kept(Kind.KEYS, 0, 0);
    }
}
