package io.kvtier.storage.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.SequencedSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

class PolicyRunTest {
    @SuppressWarnings("UnusedVariable") // read by name
    private static final List<String> POLICIES = PolicyRun.POLICIES;

    /** The optimum is that of whole blocks. */
    @SuppressWarnings("UnusedVariable") // read by name
    private static final List<String> NOT_CUTTING =
            List.of("lru", "wtinylfu", "s3fifo", "kvtier", "optimum");

    private static final BlockShape SHAPE =
            new BlockShape(List.of(400L, 550L, 1000L), List.of(0.5, 0.4, 0.1), 0.6);

    @ParameterizedTest
    @FieldSource("POLICIES")
    void of_roomForAll_hitsWhatCameBefore(String policy) {
        Trace trace = conversations(200, 3);
        long asked = 0;
        long hit = 0;
        LinkedHashSet<Long> seen = new LinkedHashSet<>();
        for (int r = 0; r < trace.requests().size(); r++) {
            long[] blocks = trace.requests().get(r).blocks();
            int prefix = 0;
            while (prefix < blocks.length && seen.contains(blocks[prefix])) {
                prefix++;
            }
            for (long block : blocks) {
                seen.add(block);
            }
            if (r >= trace.requests().size() / 2) {
                asked += blocks.length;
                hit += prefix;
            }
        }
        PolicyRun run = PolicyRun.of(policy, 1 << 11, trace, SHAPE);

        assertThat(hit).isPositive();
        assertThat(run.hitRatio()).isEqualTo((double) hit / asked);
        assertThat(run.bytesWritten()).isEqualTo(1000 * (asked - hit));
    }

    /** Caffeine may lose a few reads from its buffers, so the order is not exact. */
    @Test
    void of_lru_isCloseToAListOfKeys() {
        Trace trace = conversations(600, 4);
        for (int capacity : new int[] {60, 200}) {
            LinkedHashSet<Long> held = new LinkedHashSet<>();
            long expected = 0;
            long actual = 0;
            try (TierCache cache = TierCache.whole(capacity, 0, SHAPE)) {
                for (Trace.Request request : trace.requests()) {
                    long[] blocks = request.blocks();
                    int prefix = 0;
                    while (prefix < blocks.length && held.contains(blocks[prefix])) {
                        prefix++;
                    }
                    touch(held, blocks, 0, prefix, capacity, false);
                    touch(held, blocks, prefix, blocks.length, capacity, true);
                    touch(held, blocks, 0, prefix, capacity, false);
                    expected += prefix;
                    actual += cache.serve(request);
                }
            }
            assertThat((double) actual).isCloseTo((double) expected, withinPercentage(5));
        }
    }

    private static void touch(
            SequencedSet<Long> held, long[] blocks, int from, int to, int capacity, boolean put) {
        for (int i = to - 1; i >= from; i--) {
            if (!held.remove(blocks[i]) && !put) {
                continue;
            }
            held.add(blocks[i]);
            if (held.size() > capacity) {
                held.removeFirst();
            }
        }
    }

    @Test
    void of_degrade_holdsMoreBlocksInAsManyBytes() {
        Trace trace = conversations(600, 6);
        PolicyRun whole = PolicyRun.of("kvtier", 60, trace, SHAPE);
        PolicyRun degrade = PolicyRun.of("kvtier-degrade", 60, trace, SHAPE);

        assertThat(degrade.hitRatio()).isGreaterThan(whole.hitRatio());
        assertThat(whole.distortion()).isEqualTo(0.1);
        assertThat(degrade.distortion()).isBetween(0.1, 0.5);
    }

    /** Readers who want everything: what was cut is a miss, so it had better go whole. */
    @Test
    void of_degradeBelowTheBudget_isHardlyWorseThanWithout() {
        Trace trace = conversations(3000, 6);
        BlockShape strict = new BlockShape(SHAPE.bytes(), SHAPE.distortion(), 0.1);
        PolicyRun whole = PolicyRun.of("kvtier", 60, trace, strict);
        PolicyRun degrade = PolicyRun.of("kvtier-degrade", 60, trace, strict);

        assertThat(degrade.distortion()).isEqualTo(0.1, within(1e-9));
        assertThat(degrade.hitRatio()).isGreaterThan(0.8 * whole.hitRatio());
    }

    @ParameterizedTest
    @FieldSource("NOT_CUTTING")
    void of_anyCapacity_isNotAboveTheOptimum(String policy) {
        Trace trace = conversations(500, 5);
        for (int capacity : new int[] {10, 50, 100, 400, 1000}) {
            assertThat(PolicyRun.of(policy, capacity, trace, SHAPE).hitRatio())
                    .isLessThanOrEqualTo(
                            PolicyRun.of("optimum", capacity, trace, SHAPE).hitRatio());
        }
    }

    /** Nine of ten prompts never come back, the others every minute: what LRU cannot tell apart. */
    @Test
    void of_kvtier_keepsWhatComesBack() {
        List<Trace.Request> requests = new ArrayList<>();
        long fresh = 1_000_000;
        for (int second = 0; second < 4000; second++) {
            long[] blocks = new long[10];
            for (int i = 0; i < blocks.length; i++) {
                blocks[i] = second % 10 == 0 ? second % 60 * 10 + i : fresh++;
            }
            requests.add(new Trace.Request(1000L * second, blocks));
        }
        Trace trace = new Trace(requests);

        assertThat(PolicyRun.of("lru", 300, trace, SHAPE).hitRatio()).isZero();
        assertThat(PolicyRun.of("optimum", 300, trace, SHAPE).hitRatio()).isEqualTo(0.1);
        assertThat(PolicyRun.of("kvtier", 300, trace, SHAPE).hitRatio()).isGreaterThan(0.09);
    }

    @Test
    void of_unknownPolicy_namesThoseThereAre() {
        assertThatThrownBy(() -> PolicyRun.of("fifo", 10, conversations(4, 1), SHAPE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("fifo")
                .hasMessageContaining("wtinylfu");
    }

    /** Conversations behind one shared block, some of which go on. */
    private static Trace conversations(int count, long seed) {
        Random random = new Random(seed);
        List<Trace.Request> requests = new ArrayList<>();
        List<long[]> open = new ArrayList<>();
        long next = 1;
        for (int r = 0; r < count; r++) {
            boolean goesOn = !open.isEmpty() && random.nextInt(3) > 0;
            long[] before =
                    goesOn
                            ? open.remove(Math.max(0, open.size() - 1 - random.nextInt(8)))
                            : new long[] {0};
            long[] blocks = Arrays.copyOf(before, before.length + 1 + random.nextInt(6));
            for (int i = before.length; i < blocks.length; i++) {
                blocks[i] = next++;
            }
            open.add(blocks);
            requests.add(new Trace.Request(r * 700L, blocks));
        }
        return new Trace(requests);
    }
}
