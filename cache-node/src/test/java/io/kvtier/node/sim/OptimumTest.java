package io.kvtier.node.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.PlannedChunk;
import io.kvtier.node.sim.BandwidthTrace.Step;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The optimum is what it says: reached by some choice, and beaten by none. */
class OptimumTest {
    private static final long SECOND = 1_000_000_000;

    private static StreamCase over(int chunks, double mbit) {
        BandwidthTrace trace = new BandwidthTrace("t", List.of(new Step(0, mbit)));
        return new StreamCase(trace, SECOND, 0, 0, ChunkShape.SMOLLM2.chunks(chunks));
    }

    @Test
    void run_fewChunks_isTheBestOfAllChoices() {
        for (double mbit = 3; mbit < 12; mbit += 0.7) {
            StreamCase request = over(3, mbit);
            PolicyScore score = new Optimum().run(request);
            double best = bruteForce(request.planned(), 0, (long) (mbit * 1e6 / 8));
            assertThat(score.met()).isEqualTo(best < Double.POSITIVE_INFINITY);
            if (score.met()) {
                assertThat(score.distortion()).isCloseTo(best, within(1e-6 * best));
            }
        }
    }

    @Test
    void run_manyChunks_isBelowWhatWholePartsReachAndNotByMuch() {
        for (double mbit = 10; mbit < 40; mbit += 3) {
            StreamCase exact = over(12, mbit);
            StreamCase relaxed = over(24, 2 * mbit);
            double half = new Optimum().run(exact).distortion();
            double whole = new Optimum().run(relaxed).distortion();
            if (!Double.isNaN(half)) {
                assertThat(whole / half).isBetween(1.0, 2.05);
            }
        }
    }

    @Test
    void run_linkCarriesLessThanTheBases_isMissed() {
        assertThat(new Optimum().run(over(4, 5.9)).met()).isFalse();
        assertThat(new Optimum().run(over(4, 6.1)).met()).isTrue();
    }

    @Test
    void run_anySeed_isBeatenByNoPolicy() {
        int streams = 0;
        for (long seed = 1; seed <= 150; seed++) {
            StreamCase request = RandomCase.of(seed);
            PolicyScore best = new Optimum().run(request);
            long carried =
                    (long)
                            request.trace()
                                    .bytesBetween(
                                            request.roundTripNanos(), request.deadlineNanos());
            for (StreamPolicy policy : StreamPolicy.all()) {
                PolicyScore score = policy.run(request);
                String name = policy.name() + ", seed " + seed;
                assertThat(score.bytes()).as(name).isLessThanOrEqualTo(carried + 1);
                if (score.met()) {
                    streams++;
                    assertThat(best.met()).as(name).isTrue();
                    double least = best.distortion() * (1 - 1e-9);
                    assertThat(score.distortion()).as(name).isGreaterThanOrEqualTo(least);
                }
            }
        }
        assertThat(streams).isGreaterThan(400);
    }

    private static double bruteForce(List<PlannedChunk> chunks, int from, long budget) {
        if (budget < 0) {
            return Double.POSITIVE_INFINITY;
        }
        if (from == chunks.size()) {
            return 0;
        }
        double best = Double.POSITIVE_INFINITY;
        for (int head = 0; head <= 1; head++) {
            for (int tail = head; tail <= 2; tail++) {
                Grade grade = new Grade(head, tail);
                PlannedChunk chunk = chunks.get(from);
                double rest = bruteForce(chunks, from + 1, budget - chunk.bytes(grade));
                best = Math.min(best, chunk.distortion(grade) + rest);
            }
        }
        return best;
    }
}
