package io.kvtier.codec.method.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scorer;
import io.kvtier.codec.method.Scores;
import io.kvtier.codec.testing.Property;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Allocators that grade: against brute force, recurrences and laws. */
class RatesTest {
    @Test
    void sliceDensity_eightSlices_equalsBruteForce() {
        Property.forAll(
                30,
                random -> {
                    DenseKv kv = Caches.equal(1, 1, 16);
                    Scores scores = Caches.scores(random, kv);
                    long bytes = Caches.budget(kv, 0.125 + 0.375 * random.nextDouble());
                    RateMap rates = new SliceDensity(2).allocate(kv, scores, Caches.raw(kv), bytes);
                    double best = Double.POSITIVE_INFINITY;
                    for (int code = 0; code < 6561; code++) {
                        int[] bits = new int[8];
                        for (int s = 0, rest = code; s < 8; s++, rest /= 3) {
                            bits[s] = 2 << rest % 3;
                        }
                        long spent = 0;
                        for (int b : bits) {
                            spent += 32L * b;
                        }
                        if (spent <= 8 * bytes) {
                            best = Math.min(best, loss(scores, bits));
                        }
                    }
                    int[] got = new int[8];
                    for (int s = 0; s < 8; s++) {
                        got[s] = rates.bits(Kind.VALUES, 0, 0, 2 * s);
                    }
                    assertThat(loss(scores, got)).isCloseTo(best, Offset.offset(1e-9));
                });
    }

    private static double loss(Scores scores, int[] bits) {
        double sum = 0;
        for (int s = 0; s < bits.length; s++) {
            double density = (scores.at(0, 0, 2 * s) + scores.at(0, 0, 2 * s + 1)) / 2.0;
            sum += (float) density * StrictMath.pow(4, -bits[s]);
        }
        return sum;
    }

    @Test
    void rateOptimizer_smallCases_noCheaperChoiceIsBetter() {
        Property.forAll(
                200,
                random -> {
                    double[][] distortion = new double[4][4];
                    long[][] cost = new long[4][4];
                    for (int unit = 0; unit < 4; unit++) {
                        double d = 10 * random.nextDouble();
                        long c = random.nextInt(4);
                        for (int rate = 0; rate < 4; rate++) {
                            distortion[unit][rate] = d;
                            cost[unit][rate] = c;
                            d *= random.nextDouble();
                            c += 1 + random.nextInt(5);
                        }
                    }
                    long budget = 12L + random.nextInt(40);
                    int[] chosen = RateOptimizer.choose(distortion, cost, budget);
                    long spent = 0;
                    double lost = 0;
                    for (int unit = 0; unit < 4; unit++) {
                        spent += cost[unit][chosen[unit]];
                        lost += distortion[unit][chosen[unit]];
                    }
                    assertThat(spent).isLessThanOrEqualTo(budget);
                    for (int code = 0; code < 256; code++) {
                        long other = 0;
                        double d = 0;
                        for (int unit = 0; unit < 4; unit++) {
                            other += cost[unit][(code >> (2 * unit)) & 3];
                            d += distortion[unit][(code >> (2 * unit)) & 3];
                        }
                        if (other <= spent) {
                            assertThat(d).isGreaterThan(lost - 1e-9);
                        }
                    }
                });
    }

    @Test
    void rateOptimizer_everythingAffordable_isRaw() {
        DenseKv kv = Caches.random(new Random(1), 2, 2, 33);
        RateMap rates =
                new RateOptimizer(16, List.of(2, 4, 8, 16))
                        .allocate(
                                kv,
                                Caches.scores(new Random(2), kv),
                                Caches.raw(kv),
                                Caches.budget(kv, 1));
        assertThat(rates.keys()).isDeepEqualTo(Caches.raw(kv).keys());
        assertThat(rates.values()).isDeepEqualTo(Caches.raw(kv).values());
    }

    @Test
    void recencyGraded_anyBudget_fallsWithAgeAndSparesSinks() {
        DenseKv kv = Caches.equal(2, 2, 100);
        Scores scores = Scores.zeros(2, 2, 100);
        for (double share : new double[] {0.2, 0.3, 0.5, 0.9}) {
            RateMap rates =
                    new RecencyGraded(1, 16, 1, 4, 0)
                            .allocate(kv, scores, Caches.raw(kv), Caches.budget(kv, share));
            for (int token = 5; token < 100; token++) {
                assertThat(rates.bits(Kind.KEYS, 1, 1, token))
                        .isBetween(rates.bits(Kind.KEYS, 1, 1, token - 1), 16);
            }
            assertThat(rates.bits(Kind.KEYS, 0, 0, 0)).isEqualTo(rates.bits(Kind.KEYS, 0, 0, 99));
        }
    }

    @Test
    void cosineLayers_publishedDecay_followsTheRecurrence() {
        int[] lengths = CosineLayers.lengths(1024, 32, 0.1, 64);
        int length = 1024;
        for (int layer = 0; layer < 32; layer++) {
            double r = (1 - 0.9) * (Math.cos(Math.PI * layer / 32) + 1) / 2 + 0.9;
            length = (int) (length * r);
            assertThat(lengths[layer]).as("layer %d", layer).isEqualTo(length);
        }
        assertThat(lengths[0]).isEqualTo(1024);
        assertThat(lengths[16]).isEqualTo((int) (lengths[15] * 0.95));
    }

    @Test
    void cosineLayers_anyScores_nestTheirSetsAndShareThemAmongHeads() {
        Property.forAll(
                20,
                random -> {
                    DenseKv kv = Caches.random(random, 6, 2, 80);
                    Scores scores = Caches.scores(random, kv);
                    RateMap rates =
                            new CosineLayers(4, 0.2, 8)
                                    .allocate(kv, scores, Caches.raw(kv), Caches.budget(kv, 0.5));
                    BitSet above = rates.kept(Kind.KEYS, 0, 0);
                    assertThat(above.cardinality()).isEqualTo(80);
                    for (int layer = 1; layer < 6; layer++) {
                        BitSet kept = rates.kept(Kind.KEYS, layer, 0);
                        assertThat(rates.kept(Kind.VALUES, layer, 1)).isEqualTo(kept);
                        assertThat(kept.get(0, 4).cardinality()).isEqualTo(4);
                        assertThat(kept.get(72, 80).cardinality()).isEqualTo(8);
                        BitSet both = (BitSet) kept.clone();
                        both.and(above);
                        assertThat(both).isEqualTo(kept);
                        above = kept;
                    }
                });
    }

    @Test
    void topValue_half_keepsAllKeysAndTheBestValues() {
        DenseKv kv = Caches.random(new Random(8), 2, 2, 20);
        Scores scores = new Recency().score(kv, Hints.none());
        RateMap rates =
                new TopValue().allocate(kv, scores, Caches.raw(kv), Caches.budget(kv, 0.75));
        assertThat(rates.keys()).isDeepEqualTo(Caches.raw(kv).keys());
        assertThat(rates.kept(Kind.VALUES, 1, 1).stream()).containsExactly(range(10, 20));
    }

    @Test
    void topTokens_wholeLayers_keepThemAndMeetTheBudgetInTheRest() {
        DenseKv kv = Caches.random(new Random(9), 4, 2, 40);
        Scores scores = new KeyNorm().score(kv, Hints.none());
        RateMap rates =
                new TopTokens(2).allocate(kv, scores, Caches.raw(kv), Caches.budget(kv, 0.75));
        assertThat(rates.kept(Kind.KEYS, 1, 0).cardinality()).isEqualTo(40);
        assertThat(rates.kept(Kind.KEYS, 2, 1).cardinality()).isEqualTo(20);
    }

    @Test
    void headAdaptive_oneHeadScoresHigher_getsMoreButLeavesTheSafeguard() {
        DenseKv kv = Caches.equal(1, 2, 50);
        Scores scores = Scores.zeros(1, 2, 50);
        for (int token = 0; token < 50; token++) {
            scores.values()[0][token] = 1 + token;
        }
        RateMap rates =
                new HeadAdaptive(0.2).allocate(kv, scores, Caches.raw(kv), Caches.budget(kv, 0.5));
        assertThat(rates.kept(Kind.KEYS, 0, 0).cardinality()).isEqualTo(45);
        assertThat(rates.kept(Kind.KEYS, 0, 1).stream()).containsExactly(range(0, 5));
    }

    @Test
    void keyNorm_calibratedOnAttention_takesTheSignOfEachHead() {
        DenseKv kv = Caches.random(new Random(10), 1, 2, 64);
        Scores norms = new KeyNorm().score(kv, Hints.none());
        float[] attention = norms.values()[0].clone();
        for (int i = 64; i < 128; i++) {
            attention[i] = -attention[i];
        }
        assertThat(KeyNorm.calibrated(kv, attention).signs()).containsExactly(1, -1);
    }

    @Test
    void valueAware_equalNorms_keepsTheOrderOfH2o() {
        DenseKv kv = Caches.equal(1, 1, 30);
        Arrays.fill(kv.values()[0], 0.5f);
        Hints hints = Caches.hints(new Random(11), kv);
        Scorers pair = new Scorers(kv, hints);
        assertThat(pair.order(new ValueAware(new AttentionSum(false))))
                .isEqualTo(pair.order(new AttentionSum(false)));
    }

    @Test
    void valueAware_valueOfOneTokenGrows_itsRankNeverFalls() {
        DenseKv kv = Caches.random(new Random(12), 1, 1, 30);
        Scorers pair = new Scorers(kv, Caches.hints(new Random(13), kv));
        int before = indexOf(pair.order(new ValueAware(new AttentionSum(false))), 7);
        for (int d = 0; d < 8; d++) {
            kv.values()[0][7 * 8 + d] *= 3;
        }
        assertThat(indexOf(pair.order(new ValueAware(new AttentionSum(false))), 7))
                .isLessThanOrEqualTo(before);
    }

    private record Scorers(DenseKv kv, Hints hints) {
        int[] order(Scorer scorer) {
            return Ranking.descending(scorer.score(kv, hints).values()[0], 0, kv.tokens());
        }
    }

    private static int indexOf(int[] order, int token) {
        return IntStream.range(0, order.length)
                .filter(i -> order[i] == token)
                .findFirst()
                .orElseThrow();
    }

    private static Integer[] range(int from, int to) {
        return IntStream.range(from, to).boxed().toArray(Integer[]::new);
    }
}
