package io.kvtier.codec.vectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.Link;
import io.kvtier.codec.plan.Plan;
import io.kvtier.codec.plan.PlannedChunk;
import io.kvtier.codec.plan.PlannedChunk.Importance;
import io.kvtier.codec.plan.Planner;
import io.kvtier.codec.testing.Samples;
import io.kvtier.codec.wire.ChunkDirectory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PlannerVectorTest {
    private static final int CASES = 60;

    @Test
    void plans_areThese() throws IOException {
        List<Object> cases = new ArrayList<>();
        EnumSet<Plan.Limit> limits = EnumSet.noneOf(Plan.Limit.class);
        for (int i = 0; i < CASES; i++) {
            Random random = new Random(i);
            int count = random.nextInt(8);
            List<PlannedChunk> chunks = new ArrayList<>();
            for (int c = 0; c < count; c++) {
                chunks.add(chunk(c, count, random));
            }
            Link link =
                    new Link(
                            1e5 * (1 + random.nextInt(1000)), random.nextInt(5_000_000), 1000L * i);
            long needed = Planner.plan(chunks, link, Long.MAX_VALUE).nanos();
            long left = i % 10 == 0 ? Long.MAX_VALUE : (long) (needed * 1.2 * random.nextDouble());
            Plan plan = Planner.plan(chunks, link, left);
            limits.add(plan.limit());
            cases.add(Json.object("chunks", chunks, "link", link, "nanosLeft", left, "plan", plan));
        }
        assertThat(limits).containsExactly(Plan.Limit.values());
        Golden.holdJson("planner", Json.object("cases", cases));
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
