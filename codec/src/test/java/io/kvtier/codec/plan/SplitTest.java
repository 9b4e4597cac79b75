package io.kvtier.codec.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.plan.Plan.Limit;
import io.kvtier.codec.testing.Property;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What is fetched and what is computed, under each execution model. */
class SplitTest {
    private static final long SECOND = 1_000_000_000;
    private static final ExecutionModel SEQUENTIAL = new ExecutionModel.Sequential();
    private static final ExecutionModel BIDIRECTIONAL = new ExecutionModel.Bidirectional();

    /** Four chunks of 256 tokens; their bases take a second each. */
    private final List<PlannedChunk> chunks = PlannerTest.chunks(4, new Random(1));

    private final Link slow = new Link(chunks.getFirst().bytes(Grade.BASE), 0, 0);

    private static Goal within(double seconds) {
        return Goal.within((long) (seconds * SECOND));
    }

    @Test
    void plan_computingIsFaster_saysSoBeforeAByteIsSent() {
        Plan plan = Planner.plan(chunks, slow, within(10).withRecompute(Recompute.at(2560)));
        assertThat(plan.limit()).isEqualTo(Limit.SLOWER);
        assertThat(plan.isRecompute()).isTrue();
        assertThat(plan.bytes()).isZero();
        assertThat(plan.nanos()).isEqualTo(SECOND * 4 / 10);
    }

    @Test
    void plan_fetchingIsFaster_isDoneBeforeComputingWouldBe() {
        Recompute recompute = Recompute.at(512); // 2 s for all
        Link link = new Link(4e6, 0, 0);
        Plan plan = Planner.plan(chunks, link, within(10).withRecompute(recompute));
        assertThat(plan.chunks()).isEqualTo(4);
        assertThat(plan.nanos()).isLessThanOrEqualTo(2 * SECOND);
        Plan narrow =
                Planner.plan(chunks, new Link(5e5, 0, 0), within(10).withRecompute(recompute));
        assertThat(narrow.nanos()).isBetween(SECOND, 2 * SECOND);
        assertThat(narrow.limit()).isEqualTo(Limit.QUALITY);
    }

    @Test
    void plan_noSplitIsInTime_takesTheOneThatIsDoneFirst() {
        // Computing chunk 3 takes as long as fetching it, the chunks before take less to compute.
        List<Recompute.Rate> rates =
                List.of(new Recompute.Rate(0, 1024), new Recompute.Rate(512, 128));
        Goal goal = within(0.1).withRecompute(new Recompute(rates, 0));
        Plan plan = Planner.plan(chunks, slow, goal);
        assertThat(plan.chunks()).isEqualTo(4);
        assertThat(plan.limit()).isEqualTo(Limit.QUALITY);
        assertThat(plan.grades()).containsOnly(Grade.BASE);
    }

    @Test
    void plan_lateInTheStream_countsFromItsStart() {
        Goal goal = within(10).withRecompute(Recompute.at(256)); // 4 s for all
        Link link = new Link(slow.bytesPerSecond() * 1.2, 0, 0); // 3.3 s
        assertThat(Planner.plan(chunks, link, goal).chunks()).isEqualTo(4);
        Plan late = Planner.plan(chunks, link, goal.at(10 * SECOND, SECOND / 3));
        assertThat(late.nanos()).isLessThan(4 * SECOND);
        Plan stalled = Planner.plan(chunks, link, goal.at(10 * SECOND, SECOND / 2));
        assertThat(stalled.limit()).isEqualTo(Limit.STALLED);
    }

    @Test
    void plan_somethingArrivedAndTheLinkFell_computesTheRest() {
        List<PlannedChunk> begun =
                IntStream.range(0, 4)
                        .mapToObj(
                                i ->
                                        new PlannedChunk(
                                                chunks.get(i).directory(),
                                                i < 2 ? Grade.BASE : Grade.NOTHING,
                                                chunks.get(i).importance()))
                        .toList();
        Link fallen = new Link(slow.bytesPerSecond() / 10, 0, 0);
        Goal goal = within(10).withRecompute(Recompute.at(256)).at(8 * SECOND, 2 * SECOND);
        Plan plan = Planner.plan(begun, fallen, goal);
        assertThat(plan.chunks()).isEqualTo(2);
        assertThat(plan.bytes()).isZero();
        assertThat(plan.limit()).isEqualTo(Limit.PREFIX);
        assertThat(plan.nanos()).isEqualTo(2 * SECOND);
    }

    @Test
    void plan_lossBudget_isNeverBrokenToMeetADeadline() {
        LossBudget loss = new LossBudget(500.0 / 256, 1); // the bases leave 1140 at least
        Goal goal = within(4.5).withLoss(loss);
        Plan refined = Planner.plan(chunks, slow, goal);
        assertThat(refined.chunks()).isBetween(1, 2);
        assertThat(refined.grades().subList(0, refined.chunks()))
                .allMatch(grade -> grade.headRung() == 1);
        assertThat(Planner.plan(chunks, slow, within(1.5).withLoss(loss)).limit())
                .isEqualTo(Limit.LOSS);
        Goal computed = within(1.5).withLoss(loss).withRecompute(Recompute.at(200));
        assertThat(Planner.plan(chunks, slow, computed).limit()).isEqualTo(Limit.LOSS);
        Plan late = Planner.plan(chunks, slow, computed.withRecompute(Recompute.at(100)));
        assertThat(late.grades()).hasSize(4).allMatch(grade -> grade.headRung() == 1);
        LossBudget none = new LossBudget(1e-6, 1);
        assertThat(Planner.plan(chunks, slow, goal.withLoss(none)).limit()).isEqualTo(Limit.LOSS);
    }

    @Test
    void bidirectional_loadsTheLastChunksWhileTheFirstOnesAreComputed() {
        Goal goal = within(2.5).withModel(BIDIRECTIONAL).withRecompute(Recompute.at(256));
        Plan plan = Planner.plan(chunks, new Link(slow.bytesPerSecond() * 1.1, 0, 0), goal);
        assertThat(plan.grades().subList(0, 2)).containsOnly(Grade.NOTHING);
        assertThat(plan.grades().subList(2, 4)).doesNotContain(Grade.NOTHING);
        assertThat(plan.steps().getFirst().chunk()).isEqualTo(3);
        assertThat(plan.nanos()).isBetween(2 * SECOND, (long) (2.5 * SECOND));
    }

    @Test
    void layered_overlapsFetchAndCompute() {
        ExecutionModel layered = new ExecutionModel.Layered(10);
        assertThat(layered.finishNanos(100, 50)).isEqualTo(105);
        assertThat(layered.finishNanos(50, 100)).isEqualTo(105);
        assertThat(SEQUENTIAL.finishNanos(50, 100)).isEqualTo(150);
        assertThat(BIDIRECTIONAL.finishNanos(50, 100)).isEqualTo(100);
    }

    @Test
    void fetchNanosMax_isTheLongestFetchThatFinishesInTime() {
        List<ExecutionModel> models =
                List.of(SEQUENTIAL, new ExecutionModel.Layered(30), BIDIRECTIONAL);
        Property.forAll(
                200,
                random -> {
                    long left = random.nextLong(10 * SECOND);
                    long compute = random.nextLong(10 * SECOND);
                    for (ExecutionModel model : models) {
                        long most = model.fetchNanosMax(left, compute);
                        if (most >= 0) {
                            assertThat(model.finishNanos(most, compute)).isLessThanOrEqualTo(left);
                            assertThat(model.finishNanos(most + 31, compute)).isGreaterThan(left);
                        } else {
                            assertThat(model.finishNanos(0, compute)).isGreaterThan(left);
                        }
                    }
                });
    }

    @Test
    void usable_isWhatTheModelCanBuildOn() {
        List<Boolean> arrived = List.of(true, true, false, true);
        assertThat(SEQUENTIAL.usable(4, arrived::get)).isEqualTo(2);
        assertThat(BIDIRECTIONAL.usable(4, arrived::get)).isEqualTo(2);
        assertThat(new ExecutionModel.Layered(30).usable(4, arrived::get)).isZero();
        assertThat(new ExecutionModel.Layered(30).usable(2, arrived::get)).isEqualTo(2);
    }

    @Test
    void plan_anyGoal_isAsGoodAsTheBestSplit() {
        Property.forAll(
                500,
                random -> {
                    List<PlannedChunk> some = PlannerTest.chunks(1 + random.nextInt(6), random);
                    Link link =
                            new Link(
                                    1e5 * Math.exp(3 * random.nextDouble()),
                                    random.nextInt(50_000_000),
                                    random.nextInt(50_000_000));
                    ExecutionModel model =
                            switch (random.nextInt(3)) {
                                case 0 -> SEQUENTIAL;
                                case 1 -> new ExecutionModel.Layered(1 + random.nextInt(40));
                                default -> BIDIRECTIONAL;
                            };
                    Goal goal =
                            Goal.within(random.nextLong(20 * SECOND))
                                    .withModel(model)
                                    .withRecompute(Recompute.at(20 + random.nextInt(1000)));
                    Plan plan = Planner.plan(some, link, goal);
                    long least = Long.MAX_VALUE;
                    int most = -1;
                    long all = finish(some, 0, link, goal);
                    for (int count = 0; count <= some.size(); count++) {
                        long finish = finish(some, count, link, goal);
                        least = Math.min(least, finish);
                        most = finish <= Math.min(goal.nanosLeft(), all) ? count : most;
                    }
                    // Times are rounded to nanoseconds in more than one place.
                    if (most >= 0) {
                        assertThat(plan.chunks()).isEqualTo(most);
                        assertThat(plan.nanos()).isLessThanOrEqualTo(goal.nanosLeft() + 50);
                    } else {
                        assertThat(plan.nanos()).isBetween(least - 50, least + 50);
                    }
                    assertThat(plan.nanos()).isLessThanOrEqualTo(all + 50);
                });
    }

    /** Time of a request that fetches the bases of so many chunks. */
    private static long finish(List<PlannedChunk> chunks, int count, Link link, Goal goal) {
        boolean back = goal.model().fromTheBack();
        int from = back ? chunks.size() - count : 0;
        long bytes = 0;
        for (int i = from; i < from + count; i++) {
            bytes += chunks.get(i).bytes(Grade.BASE);
        }
        long fetch = count == 0 ? 0 : link.nanosFor(bytes, count);
        long tokens = 256L * (chunks.size() - count);
        return goal.model().finishNanos(fetch, goal.recompute().nanos(0, tokens));
    }
}
