package io.kvtier.codec.vectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.plan.ExecutionModel;
import io.kvtier.codec.plan.Goal;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.Importance;
import io.kvtier.codec.plan.Link;
import io.kvtier.codec.plan.LossBudget;
import io.kvtier.codec.plan.Plan;
import io.kvtier.codec.plan.PlannedChunk;
import io.kvtier.codec.plan.Planner;
import io.kvtier.codec.plan.Recompute;
import io.kvtier.codec.testing.Samples;
import io.kvtier.codec.wire.ChunkDirectory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PlannerVectorTest {
    private static final int CASES = 120;

    @Test
    void plans_areThese() throws IOException {
        List<Object> cases = new ArrayList<>();
        EnumSet<Plan.Limit> limits = EnumSet.noneOf(Plan.Limit.class);
        for (int i = 0; i < CASES; i++) {
            Random random = new Random(i);
            int count = i % 7;
            List<PlannedChunk> chunks = new ArrayList<>();
            for (int c = 0; c < count; c++) {
                chunks.add(chunk(c, count, random));
            }
            Link link =
                    new Link(
                            1e5 * (1 + random.nextInt(1000)),
                            random.nextInt(5_000_000),
                            10_000L * i);
            Goal goal = goal(i, chunks, link, random);
            Plan plan = Planner.plan(chunks, link, goal);
            limits.add(plan.limit());
            cases.add(
                    Json.object(
                            "chunks", chunks.stream().map(PlannerVectorTest::json).toList(),
                            "link", link,
                            "goal", json(goal),
                            "plan", json(plan)));
        }
        assertThat(limits).containsExactly(Plan.Limit.values());
        Golden.holdJson("planner", Json.object("cases", cases));
    }

    @Test
    void importances_areThese() throws IOException {
        List<Object> cases = new ArrayList<>();
        Random random = new Random(1);
        for (int i = 0; i < 40; i++) {
            Importance.Terms terms =
                    i < 10
                            ? Importance.Terms.defaults()
                            : new Importance.Terms(
                                    1 + random.nextInt(9),
                                    1 + random.nextInt(81),
                                    1 + random.nextDouble(),
                                    random.nextDouble(),
                                    2 * random.nextDouble());
            int count = 1 + random.nextInt(5);
            int index = random.nextInt(count);
            double attention = 3 * random.nextDouble();
            double entity = i % 3 == 0 ? 0 : random.nextDouble();
            cases.add(
                    Json.object(
                            "terms", terms,
                            "index", index,
                            "count", count,
                            "attention", attention,
                            "entity", entity,
                            "importance", terms.of(index, count, attention, entity)));
        }
        Golden.holdJson("importance", Json.object("cases", cases));
    }

    /** Goals of every model, with and without the cost of computing and a loss budget. */
    private static Goal goal(int i, List<PlannedChunk> chunks, Link link, Random random) {
        long needed = Planner.plan(chunks, link, Long.MAX_VALUE).nanos();
        long left = i % 10 == 0 ? Long.MAX_VALUE : (long) (needed * 1.2 * random.nextDouble());
        Goal goal = Goal.within(left);
        if (i % 2 == 0) {
            return goal;
        }
        double factor = Math.exp(4 * random.nextDouble() - 2);
        double tokensPerSecond = factor * 256 * chunks.size() / Math.max(1, needed) * 1e9;
        List<Recompute.Rate> rates =
                List.of(
                        new Recompute.Rate(0, Math.max(1, tokensPerSecond)),
                        new Recompute.Rate(700, Math.max(1, 0.7 * tokensPerSecond)));
        goal = goal.withRecompute(new Recompute(rates, random.nextInt(64)));
        goal = i % 20 == 11 ? goal.at(goal.nanosLeft(), needed / 2) : goal;
        goal =
                switch (i % 3) {
                    case 0 -> goal;
                    case 1 -> goal.withModel(new ExecutionModel.Layered(30));
                    default -> goal.withModel(new ExecutionModel.Bidirectional());
                };
        return i % 4 == 1 ? goal : goal.withLoss(new LossBudget(random.nextDouble() / 200, 1000));
    }

    private static Object json(Goal goal) {
        int layers = goal.model() instanceof ExecutionModel.Layered layered ? layered.layers() : 0;
        double loss = goal.loss().distortionPerElement();
        return Json.object(
                "nanosLeft", goal.nanosLeft(),
                "nanosSpent", goal.nanosSpent(),
                "model", goal.model().getClass().getSimpleName(),
                "layers", layers,
                "recompute", goal.recompute(),
                "distortionPerElement", Double.isInfinite(loss) ? -1 : loss,
                "elementsPerToken", goal.loss().elementsPerToken());
    }

    /** Sizes: header bytes, first position, tokens, tail tokens, parts held. */
    private static Object json(PlannedChunk chunk) {
        ChunkDirectory directory = chunk.directory();
        List<Object> parts = new ArrayList<>();
        for (ChunkDirectory.Entry entry : directory.parts()) {
            parts.add(
                    List.of(
                            entry.part().rung(),
                            entry.part().span(),
                            entry.bytes(),
                            entry.distortion(),
                            entry.tailDistortion()));
        }
        return Json.object(
                "sizes",
                        List.of(
                                directory.headerBytes(),
                                directory.firstPosition(),
                                directory.tokens(),
                                directory.tailTokens(),
                                directory.partsHeld()),
                "parts", parts,
                "arrived", json(chunk.arrived()),
                "importance", chunk.importance());
    }

    private static Object json(Plan plan) {
        List<Object> steps = new ArrayList<>();
        plan.steps().forEach(step -> steps.add(List.of(step.chunk(), json(step.to()))));
        return Json.object(
                "grades", plan.grades().stream().map(PlannerVectorTest::json).toList(),
                "steps", steps,
                "bytes", plan.bytes(),
                "nanos", plan.nanos(),
                "distortion", plan.distortion(),
                "gap", plan.gap(),
                "limit", plan.limit());
    }

    /** Head rung and tail rung. */
    private static List<Integer> json(Grade grade) {
        return List.of(grade.headRung(), grade.tailRung());
    }

    private static PlannedChunk chunk(int index, int count, Random random) {
        boolean headless = random.nextInt(6) == 0;
        int tokens = headless ? 20 : 256;
        float head = headless ? 0 : 1000 + random.nextInt(500);
        float tail = 100 + random.nextInt(90);
        List<ChunkDirectory.Entry> parts = new ArrayList<>();
        parts.add(entry(0, Span.ALL, 100_000 + random.nextInt(50_000), head, tail));
        parts.add(entry(1, Span.TAIL, 20_000 + random.nextInt(9000), 0, tail / 9));
        parts.add(entry(2, Span.TAIL, 20_000 + random.nextInt(9000), 0, tail / 81));
        if (!headless) {
            parts.add(entry(1, Span.HEAD, 150_000 + random.nextInt(50_000), head / 9, 0));
        }
        int held = 1 + random.nextInt(parts.size());
        ChunkDirectory directory =
                new ChunkDirectory(
                        Samples.digest("encoding " + index),
                        300 + random.nextInt(500),
                        index * 256,
                        tokens,
                        32,
                        held,
                        parts);
        Grade arrived = random.nextInt(5) == 0 ? Grade.BASE : Grade.NOTHING;
        return new PlannedChunk(directory, arrived, Importance.byPosition(index, count));
    }

    private static ChunkDirectory.Entry entry(
            int rung, Span span, long bytes, float distortion, float tailDistortion) {
        return new ChunkDirectory.Entry(new Part(rung, span), bytes, distortion, tailDistortion);
    }
}
