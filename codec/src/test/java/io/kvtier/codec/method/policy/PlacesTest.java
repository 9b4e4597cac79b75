package io.kvtier.codec.method.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.testing.Property;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Where chunks and their parts go: swap or recompute, who gives way, which memory, which place. */
class PlacesTest {
    private static final LinearProgramPlacement SMALL =
            new LinearProgramPlacement(10, 25, 4, 1, 0.5);

    @Test
    void swapRecompute_anyChunks_equalsEnumeration() {
        Property.forAll(
                200,
                random -> {
                    int count = random.nextInt(9);
                    long[] bytes = random.longs(count, 1, 100).toArray();
                    SwapRecompute model =
                            new SwapRecompute(
                                    1 + random.nextInt(50),
                                    random.nextDouble(),
                                    random.nextDouble());
                    SwapRecompute.Split split = model.split(bytes);
                    double best = Double.POSITIVE_INFINITY;
                    for (int set = 0; set < 1 << count; set++) {
                        best = Math.min(best, seconds(model, bytes, set));
                    }
                    assertThat(split.seconds()).isCloseTo(best, Offset.offset(1e-9));
                    int chosen = (int) split.computed().stream().mapToLong(i -> 1L << i).sum();
                    assertThat(seconds(model, bytes, chosen)).isEqualTo(split.seconds());
                });
    }

    private static double seconds(SwapRecompute model, long[] bytes, int computed) {
        long left = 0;
        for (int i = 0; i < bytes.length; i++) {
            left += (computed >> i & 1) == 0 ? bytes[i] : 0;
        }
        int count = Integer.bitCount(computed);
        return model.seconds(left, bytes.length - count, count);
    }

    @Test
    void lctru_mixedRates_takesFromTheDensestThenTheOldest() {
        Lctru queue = new Lctru(List.of(8, 4, 2));
        List<Lctru.Entry<String>> entries =
                List.of(
                        new Lctru.Entry<>("2 old", 2, 20, 1),
                        new Lctru.Entry<>("8 new", 8, 80, 9),
                        new Lctru.Entry<>("4 old", 4, 40, 2),
                        new Lctru.Entry<>("8 old", 8, 80, 3));
        assertThat(queue.reclaim(entries, 1)).isEqualTo(Map.of("8 old", 4));
        assertThat(queue.reclaim(entries, 80)).isEqualTo(Map.of("8 old", 4, "8 new", 4));
        assertThat(queue.reclaim(entries, 81))
                .isEqualTo(Map.of("8 old", 4, "8 new", 4, "4 old", 2));
        assertThat(queue.reclaim(entries, 1000).values()).containsOnly(0).hasSize(4);
        assertThat(queue.below(2)).isZero();
    }

    @Test
    void placement_everythingFitsTheAccelerator_liesThere() {
        LinearProgramPlacement.Placement got =
                new LinearProgramPlacement(100, 100, 4, 1, 0.5).best(30, 30, 5).orElseThrow();
        assertThat(List.of(got.weights(), got.cache(), got.activations()))
                .containsOnly(new LinearProgramPlacement.Shares(20, 0));
        assertThat(got.seconds()).isEqualTo(0.5);
    }

    @Test
    void placement_moreMemory_isNeverSlower() {
        double before = Double.POSITIVE_INFINITY;
        for (int memory = 0; memory <= 40; memory += 5) {
            double seconds =
                    new LinearProgramPlacement(memory, 20, 4, 1, 0.5)
                            .best(30, 20, 4)
                            .orElseThrow()
                            .seconds();
            assertThat(seconds).isLessThanOrEqualTo(before);
            before = seconds;
        }
    }

    /** Every pair of shares by plain loops, of two things so that it stays small. */
    @Test
    void placement_twoThings_equalsTheGridsOptimum() {
        Random random = new Random(4);
        for (int i = 0; i < 5; i++) {
            double weights = 5 + 30 * random.nextDouble();
            double cache = 5 + 30 * random.nextDouble();
            double best = Double.POSITIVE_INFINITY;
            for (int code = 0; code < 21 * 21 * 21 * 21; code++) {
                int wa = code % 21;
                int wh = code / 21 % 21;
                int ca = code / 441 % 21;
                int ch = code / 9261;
                double fast = (wa * weights + ca * cache) / 20;
                double middle = (wh * weights + ch * cache) / 20;
                if (wa + wh > 20 || ca + ch > 20 || fast > 10 || middle > 25) {
                    continue;
                }
                double moved = weights + cache - fast;
                best = Math.min(best, Math.max(0.5, Math.max(moved / 4, moved - middle)));
            }
            assertThat(SMALL.best(weights, cache, 0).orElseThrow().seconds())
                    .isCloseTo(best, Offset.offset(1e-9));
        }
    }

    @Test
    void coverage_compressedPrompt_neverAnswersForTheWhole() {
        int[] tokens = {1, 2, 3};
        Coverage whole = Coverage.whole(3, 2);
        Coverage compressed = new Coverage(9, 3, 3, "llmlingua 0.33");
        Digest parent = Digest.ZERO;
        Digest plain = KeyChain.next(parent, tokens, 0, 3, new byte[0]);
        assertThat(KeyChain.next(parent, tokens, 0, 3, whole.salt())).isEqualTo(plain);
        assertThat(KeyChain.next(parent, tokens, 0, 3, compressed.salt())).isNotEqualTo(plain);
    }

    @Test
    void prefillCost_whereToFilter_isTheCheapestThatLosesLittle() {
        PrefillCost cost = new PrefillCost(1_000_000, 4, 64);
        List<Integer> all = Collections.nCopies(4, 1000);
        List<Integer> half = Collections.nCopies(4, 500);
        List<PrefillCost.Way> ways = new ArrayList<>();
        ways.add(new PrefillCost.Way(PrefillCost.Place.AFTER, all, 0.01));
        ways.add(
                new PrefillCost.Way(PrefillCost.Place.PREFILL, List.of(1000, 800, 600, 400), 0.03));
        ways.add(new PrefillCost.Way(PrefillCost.Place.PROMPT, half, 0.2));
        assertThat(cost.operations(all)).isEqualTo(2e9 + 4 * 4 * 64 * 500_500.0);
        assertThat(cost.operations(half)).isLessThan(cost.operations(all) / 2);
        assertThat(cost.choose(ways, 0.5).orElseThrow().place())
                .isEqualTo(PrefillCost.Place.PROMPT);
        assertThat(cost.choose(ways, 0.05).orElseThrow().place())
                .isEqualTo(PrefillCost.Place.PREFILL);
        assertThat(cost.choose(ways, 0.02).orElseThrow().place())
                .isEqualTo(PrefillCost.Place.AFTER);
        assertThat(cost.choose(ways, 0)).isEmpty();
    }
}
