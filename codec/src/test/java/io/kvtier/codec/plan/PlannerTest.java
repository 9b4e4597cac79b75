package io.kvtier.codec.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.testing.Property;
import io.kvtier.codec.wire.ChunkDirectory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class PlannerTest {
    private static final Link LINK = new Link(1e9, 0, 0); // one byte a nanosecond

    @Test
    void plan_noDeadline_asksForEverythingHeld() {
        Plan plan = Planner.plan(chunks(3, new Random(1)), LINK, Long.MAX_VALUE);
        assertThat(plan.limit()).isEqualTo(Plan.Limit.NONE);
        assertThat(plan.grades()).containsOnly(new Grade(1, 2));
    }

    @Test
    void plan_onlyTheBaseFits_keepsRecencyForTheLastChunk() {
        List<PlannedChunk> chunks = chunks(4, new Random(2));
        long bases = chunks.stream().mapToLong(c -> c.bytes(Grade.BASE)).sum();
        long tails = chunks.get(3).bytes(new Grade(0, 2)) - chunks.get(3).bytes(Grade.BASE);
        Plan plan = Planner.plan(chunks, LINK, bases + tails);
        assertThat(plan.chunks()).isEqualTo(4);
        assertThat(plan.grades().subList(0, 3)).containsOnly(Grade.BASE);
        assertThat(plan.grades().get(3)).isEqualTo(new Grade(0, 2));
        assertThat(plan.limit()).isEqualTo(Plan.Limit.QUALITY);
    }

    @Test
    void plan_basesDoNotFit_keepsTheLongestPrefix() {
        List<PlannedChunk> chunks = chunks(5, new Random(3));
        long two = chunks.get(0).bytes(Grade.BASE) + chunks.get(1).bytes(Grade.BASE);
        Plan plan = Planner.plan(chunks, LINK, two + 1);
        assertThat(plan.chunks()).isEqualTo(2);
        assertThat(plan.grades().subList(2, 5)).containsOnly(Grade.NOTHING);
        assertThat(plan.limit()).isEqualTo(Plan.Limit.PREFIX);
    }

    @Test
    void plan_noTimeLeft_asksForNothing() {
        Plan plan = Planner.plan(chunks(2, new Random(4)), new Link(1e9, 1000, 0), 1000);
        assertThat(plan.chunks()).isZero();
        assertThat(plan.bytes()).isZero();
    }

    @Test
    void plan_whatArrived_costsNothingMore() {
        List<PlannedChunk> fresh = chunks(2, new Random(5));
        List<PlannedChunk> arrived = new ArrayList<>();
        fresh.forEach(
                c -> arrived.add(new PlannedChunk(c.directory(), Grade.BASE, c.importance())));
        long all = Planner.plan(fresh, LINK, Long.MAX_VALUE).bytes();
        long rest = Planner.plan(arrived, LINK, Long.MAX_VALUE).bytes();
        long bases = fresh.stream().mapToLong(c -> c.bytes(Grade.BASE)).sum();
        assertThat(rest).isEqualTo(all - bases);
    }

    @Test
    void plan_moreArrivedThanTheDirectoryKnows_asksForNothingOfIt() {
        List<PlannedChunk> chunks = new ArrayList<>(chunks(2, new Random(7)));
        PlannedChunk known = chunks.getFirst();
        ChunkDirectory base = known.directory().withPartsHeld(1);
        chunks.set(0, new PlannedChunk(base, new Grade(0, 2), known.importance()));
        Plan plan = Planner.plan(chunks, LINK, Long.MAX_VALUE);
        assertThat(plan.grades()).containsExactly(new Grade(0, 2), new Grade(1, 2));
        assertThat(plan.bytes()).isEqualTo(chunks.get(1).bytes(new Grade(1, 2)));
    }

    @Test
    void plan_anyBudget_neverOverspendsAndIsWithinItsGapOfTheOptimum() {
        Property.forAll(
                500,
                random -> {
                    List<PlannedChunk> chunks = chunks(1 + random.nextInt(4), random);
                    long top = Planner.plan(chunks, LINK, Long.MAX_VALUE).bytes();
                    long bases = chunks.stream().mapToLong(c -> c.bytes(Grade.BASE)).sum();
                    long budget = bases + random.nextLong(top - bases + 1);
                    Plan plan = Planner.plan(chunks, LINK, budget);
                    assertThat(plan.bytes()).isLessThanOrEqualTo(budget);
                    double best = bruteForce(chunks, 0, budget);
                    double above = plan.distortion() - best;
                    double rounding = 1e-9 * best;
                    assertThat(above).isBetween(-rounding, plan.gap() + rounding);
                    assertThat(plan.gap()).isBetween(0.0, largestStep(chunks) + rounding);
                });
    }

    @Test
    void plan_budgetOfAHullPoint_isTheOptimum() {
        Property.forAll(
                200,
                random -> {
                    List<PlannedChunk> chunks = chunks(1 + random.nextInt(4), random);
                    Plan full = Planner.plan(chunks, LINK, Long.MAX_VALUE);
                    // Each prefix of the steps is a point of the joint hull.
                    long bytes = 0;
                    @Nullable Grade[] grades = new Grade[chunks.size()];
                    for (Plan.Step step : full.steps()) {
                        PlannedChunk chunk = chunks.get(step.chunk());
                        Grade before = grades[step.chunk()];
                        bytes +=
                                chunk.bytes(step.to()) - (before == null ? 0 : chunk.bytes(before));
                        grades[step.chunk()] = step.to();
                        if (Arrays.asList(grades).contains(null)) {
                            continue;
                        }
                        Plan plan = Planner.plan(chunks, LINK, bytes);
                        double best = bruteForce(chunks, 0, bytes);
                        assertThat(plan.gap()).isCloseTo(0, within(best));
                        assertThat(plan.distortion()).isCloseTo(best, within(best));
                    }
                });
    }

    @Test
    void plan_aThousandChunks_isTheSameEveryTime() {
        List<PlannedChunk> chunks = chunks(1000, new Random(6));
        Plan plan = Planner.plan(chunks, LINK, 200_000_000);
        assertThat(Planner.plan(chunks, LINK, 200_000_000)).isEqualTo(plan);
    }

    private static org.assertj.core.data.Offset<Double> within(double value) {
        return org.assertj.core.data.Offset.offset(1e-9 * Math.max(1, value));
    }

    private static double largestStep(List<PlannedChunk> chunks) {
        return chunks.stream()
                .mapToDouble(c -> c.distortion(Grade.BASE) - c.distortion(c.grades().getLast()))
                .max()
                .orElseThrow();
    }

    private static double bruteForce(List<PlannedChunk> chunks, int from, long budget) {
        if (from == chunks.size()) {
            return 0;
        }
        double best = Double.POSITIVE_INFINITY;
        for (Grade grade : chunks.get(from).grades()) {
            long bytes = chunks.get(from).bytes(grade);
            if (bytes <= budget) {
                double rest = bruteForce(chunks, from + 1, budget - bytes);
                best = Math.min(best, chunks.get(from).distortion(grade) + rest);
            }
        }
        return best;
    }

    static List<PlannedChunk> chunks(int count, Random random) {
        List<PlannedChunk> out = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            float base = 1000 + random.nextInt(500);
            float tail = base / 7;
            List<ChunkDirectory.Entry> parts =
                    List.of(
                            entry(0, Span.ALL, 150_000 + random.nextInt(20_000), base, tail),
                            entry(1, Span.TAIL, 25_000 + random.nextInt(2000), 0, tail / 9),
                            entry(2, Span.TAIL, 30_000 + random.nextInt(2000), 0, tail / 81),
                            entry(1, Span.HEAD, 180_000 + random.nextInt(9000), base / 9, 0));
            ChunkDirectory directory =
                    new ChunkDirectory(Digest.ZERO, 500, i * 256, 256, 32, 4, parts);
            out.add(PlannedChunk.fresh(directory, Importance.byPosition(i, count)));
        }
        return out;
    }

    private static ChunkDirectory.Entry entry(
            int rung, Span span, long bytes, float distortion, float tailDistortion) {
        return new ChunkDirectory.Entry(new Part(rung, span), bytes, distortion, tailDistortion);
    }
}
