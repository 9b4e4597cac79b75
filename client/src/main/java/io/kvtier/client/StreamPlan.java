package io.kvtier.client;

import io.kvtier.codec.plan.Importance;
import io.kvtier.codec.plan.Link;
import io.kvtier.codec.plan.Plan;
import io.kvtier.codec.plan.PlannedChunk;
import io.kvtier.codec.plan.Planner;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The plan of a stream, made anew as time goes by: not for each segment, since a plan of a thousand
 * chunks costs a millisecond, but often enough to feel a change of the link.
 */
final class StreamPlan {
    private static final long AGE_NANOS_MAX = TimeUnit.MILLISECONDS.toNanos(10);

    /** At most a twentieth of the time goes into planning. */
    private static final int COST_FACTOR = 20;

    private final GoodputEstimator estimator;
    private final long decodeNanosPerChunk;
    private final NanoClock clock;
    private @Nullable Plan plan;
    private long madeNanos;
    private long costNanos;
    private boolean fresh;

    StreamPlan(GoodputEstimator estimator, long decodeNanosPerChunk, NanoClock clock) {
        this.estimator = estimator;
        this.decodeNanosPerChunk = decodeNanosPerChunk;
        this.clock = clock;
    }

    /** Makes the next call plan anew. */
    void invalidate() {
        plan = null;
    }

    /** Whether the last call planned anew. */
    boolean isFresh() {
        return fresh;
    }

    /** A plan that is fresh enough. What is under way counts as there, and as time that is gone. */
    Plan current(List<ChunkIntake> chunks, long outstandingBytes, Deadline deadline) {
        long now = clock.nanoTime();
        Plan last = plan;
        if (last != null && now - madeNanos < Math.max(AGE_NANOS_MAX, COST_FACTOR * costNanos)) {
            fresh = false;
            return last;
        }
        double rate = estimator.bytesPerSecond();
        long busy = (long) Math.min(outstandingBytes / rate * 1e9, 1e15);
        List<PlannedChunk> planned = new ArrayList<>(chunks.size());
        for (int i = 0; i < chunks.size(); i++) {
            ChunkIntake chunk = chunks.get(i);
            planned.add(
                    new PlannedChunk(
                            chunk.directory(),
                            chunk.granted(),
                            Importance.byPosition(i, chunks.size())));
        }
        long left = deadline.nanosLeft();
        // The only round trip known may be that of a call that made the connection: asking for
        // something costs little where it is true, and nothing would come of it otherwise.
        long roundTrip = Math.min(estimator.roundTripNanos(), left / 2);
        // Whoever decodes when the stream has ended needs that time once, whatever it brought.
        long usable = left - busy - decodeNanosPerChunk;
        Plan made = Planner.plan(planned, new Link(rate, roundTrip, 0), Math.max(0, usable));
        plan = made;
        fresh = true;
        madeNanos = now;
        costNanos = clock.nanoTime() - now;
        return made;
    }
}
