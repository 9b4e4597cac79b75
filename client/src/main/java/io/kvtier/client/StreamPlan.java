package io.kvtier.client;

import io.kvtier.codec.plan.Goal;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.Link;
import io.kvtier.codec.plan.LossBudget;
import io.kvtier.codec.plan.Plan;
import io.kvtier.codec.plan.PlannedChunk;
import io.kvtier.codec.plan.Planner;
import io.kvtier.codec.plan.Recompute;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.codec.wire.StreamClaim;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The plan of a stream, made anew as time goes by: not for each segment, since a plan of a thousand
 * chunks costs a millisecond, but often enough to feel a change of the link.
 *
 * <p>Thread-safety: none; it lives on the thread of its stream.
 */
public final class StreamPlan {
    /* What is under way counts as there, and as time that is gone, so a plan goes on from it. When
     * the link has fallen, that would wait for refinements while chunks are missing, or for a fetch
     * that computing would beat. Then the plan starts from what is here instead, with all the time
     * that is left, and what it does not ask for is taken back.
     */
    private static final long AGE_NANOS_MAX = TimeUnit.MILLISECONDS.toNanos(10);

    /** At most a twentieth of the time goes into planning. */
    private static final int COST_FACTOR = 20;

    /** Share of the time of computing that may go by without a chunk: 1 in so many. */
    private static final int STALL_SHARE = 10;

    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    private final GoodputEstimator estimator;
    private final StreamOptions options;
    private final long promptTokens;
    private final NanoClock clock;
    private List<StreamedChunk> chunks = List.of();
    private @Nullable Plan plan;
    private boolean begun;
    private int admitted;
    private long startNanos;
    private long madeNanos;
    private long costNanos;
    private boolean fresh;
    private boolean anew;

    /**
     * What is under way.
     *
     * @param bytes not here yet
     * @param bytesHere of requests that are not answered in whole
     */
    public record UnderWay(long bytes, long bytesHere) {
        /** Nothing. */
        public static final UnderWay NOTHING = new UnderWay(0, 0);
    }

    /**
     * Begins a stream with the first plan.
     *
     * @param promptTokens of the whole request: what lies behind the chunks is computed anyway
     */
    public StreamPlan(
            GoodputEstimator estimator, StreamOptions options, long promptTokens, NanoClock clock) {
        this.estimator = estimator;
        this.options = options;
        this.promptTokens = promptTokens;
        this.clock = clock;
    }

    /** Makes the next call plan anew. */
    public void invalidate() {
        plan = null;
    }

    /** Bytes that the last plan wants of what was not asked for. */
    public long bytesWanted(List<StreamedChunk> open) {
        Plan last = plan;
        long bytes = 0;
        int count = last == null ? 0 : Math.min(open.size(), last.grades().size());
        for (int i = 0; last != null && i < count; i++) {
            bytes += open.get(i).granted().bytes(last.grades().get(i));
        }
        return bytes;
    }

    /**
     * What a stream needs and wants by the last plan: what it asked for so far, and what is missing
     * of the chunks that the plan asks for.
     */
    public StreamClaim claim(int stream, long askedBytes, List<StreamedChunk> open) {
        Plan last = plan;
        long need = askedBytes;
        long want = askedBytes;
        int count = last == null ? 0 : Math.min(open.size(), last.grades().size());
        for (int i = 0; last != null && i < count; i++) {
            if (!last.grades().get(i).equals(Grade.NOTHING)) {
                long base = open.get(i).granted().bytes(Grade.BASE);
                need += base;
                want += Math.max(base, open.get(i).bytesNotAskedFor());
            }
        }
        return new StreamClaim(stream, need, want);
    }

    /** Whether the last call planned anew. */
    public boolean isFresh() {
        return fresh;
    }

    /** How many chunks come in time by the first plan. */
    public int admitted() {
        return admitted;
    }

    /** Whether the last plan starts from what is here, so that requests may be taken back. */
    public boolean startsFromWhatIsHere() {
        return anew;
    }

    /**
     * A plan that is fresh enough.
     *
     * @param open tells which chunks may still come, in order, without a gap
     * @param nanosLeft until the stream has to end
     */
    public Plan current(Supplier<List<StreamedChunk>> open, UnderWay underWay, long nanosLeft) {
        long now = clock.nanoTime();
        Plan last = plan;
        if (last != null && now - madeNanos < Math.max(AGE_NANOS_MAX, COST_FACTOR * costNanos)) {
            fresh = false;
            return last;
        }
        boolean first = !begun;
        startNanos = first ? now : startNanos;
        begun = true;
        chunks = List.copyOf(open.get());
        Plan made = make(underWay, nanosLeft, now, first);
        plan = made;
        fresh = true;
        madeNanos = now;
        costNanos = clock.nanoTime() - now;
        return made;
    }

    /** Whether the last plan still asks for parts of a request that is under way. */
    public boolean wants(int chunk, int partFrom, int partTo) {
        Plan last = plan;
        if (last == null || chunk >= chunks.size()) {
            return false;
        }
        boolean waits = partFrom == 0 && !options.recompute().isKnown();
        Grade grade = last.grades().get(chunk);
        // Where nothing is known of computing, a chunk that comes late is as good as none.
        return waits || chunks.get(chunk).wants(grade, partFrom, partTo);
    }

    /** Time that computing everything takes, 0 when unknown. */
    public long computeNanos() {
        if (chunks.isEmpty()) {
            return 0;
        }
        if (options.model().fromTheBack()) {
            return options.recompute().nanos(0, end());
        }
        long from = chunks.getFirst().directory().firstPosition();
        return recompute().nanos(from, end() + suffixTokens());
    }

    /** Whether a tenth of that time is gone, or all of it. */
    private boolean isStalling(long spent, long all) {
        StreamedChunk first = options.model().fromTheBack() ? chunks.getLast() : chunks.getFirst();
        boolean none = first.here().arrived().equals(Grade.NOTHING);
        return spent > all || (none && spent > all / STALL_SHARE);
    }

    private Plan make(UnderWay underWay, long nanosLeft, long now, boolean first) {
        double rate = estimator.bytesPerSecond(now);
        // The only round trip known may be that of a call that made the connection: asking for
        // something costs little where it is true, and nothing would come of it otherwise.
        long roundTrip = Math.min(estimator.roundTripNanos(), nanosLeft / 2);
        // What follows the last byte delays a request as a round trip does.
        long after = options.decodeNanosAfter();
        Link link = new Link(rate, roundTrip + after, options.decodeNanosPerChunk());
        long spent = now - startNanos;
        long busy = nanos(underWay.bytes(), rate);
        // A request sent now waits for what is under way, or for its round trip.
        long waits = Math.max(0, busy - roundTrip);
        Plan on = Planner.plan(granted(), link, goal(nanosLeft + after - waits, spent + waits));
        boolean late = busy > nanosLeft || on.chunks() < chunks.size();
        boolean known = recompute().isKnown() && !chunks.isEmpty();
        late |= known && isStalling(spent + busy, computeNanos());
        admitted = first ? on.chunks() : admitted;
        anew = late && underWay.bytes() > 0;
        if (!known && on.chunks() < chunks.size() && nanosLeft > roundTrip) {
            return hopeful(anew ? here() : granted()).orElse(on);
        }
        if (!anew) {
            return known ? on : expected(on, link, nanosLeft + after, underWay, now);
        }
        // What is here of an unfinished request need not come again.
        long credit = nanos(underWay.bytesHere(), rate);
        return Planner.plan(here(), link, goal(nanosLeft + after + credit, spent - credit));
    }

    /**
     * Not all chunks come in time by the estimate, which is a lower bound, and nothing is known of
     * computing: one that comes late costs no more than one that was not asked for. So all of them
     * are asked for, in order and at the base, before any is refined.
     */
    private Optional<Plan> hopeful(List<PlannedChunk> planned) {
        if (!options.loss().equals(LossBudget.NONE)) {
            return Optional.empty();
        }
        long bases = 1;
        for (PlannedChunk chunk : planned) {
            boolean here = !chunk.arrived().equals(Grade.NOTHING);
            bases += here ? 0 : chunk.bytes(Grade.BASE);
        }
        Goal goal = Goal.within(SECOND).withModel(options.model());
        return Optional.of(Planner.plan(planned, new Link(bases, 0, 0), goal));
    }

    /**
     * All chunks come in time by the lower bound. Refinements come behind them, and one that comes
     * too late takes nothing from the others, so they are asked for by the rate to be expected.
     */
    private Plan expected(Plan on, Link link, long nanosLeft, UnderWay underWay, long now) {
        double rate = estimator.expectedBytesPerSecond(now);
        if (rate <= link.bytesPerSecond() || nanosLeft == Long.MAX_VALUE) {
            return on;
        }
        long waits = Math.max(0, nanos(underWay.bytes(), rate) - link.roundTripNanos());
        Link likely = new Link(rate, link.roundTripNanos(), link.decodeNanosPerChunk());
        return Planner.plan(granted(), likely, goal(nanosLeft - waits, now - startNanos + waits));
    }

    private Goal goal(long nanosLeft, long nanosSpent) {
        return new Goal(
                Math.max(0, nanosLeft),
                Math.max(0, nanosSpent),
                options.model(),
                recompute(),
                options.loss());
    }

    private Recompute recompute() {
        return options.recompute().withSuffixTokens(suffixTokens());
    }

    /** Tokens behind the chunks that may still come. */
    private int suffixTokens() {
        return chunks.isEmpty() ? 0 : (int) Math.max(0, promptTokens - end());
    }

    private long end() {
        ChunkDirectory last = chunks.getLast().directory();
        return (long) last.firstPosition() + last.tokens();
    }

    private List<PlannedChunk> granted() {
        return chunks.stream().map(StreamedChunk::granted).toList();
    }

    private List<PlannedChunk> here() {
        return chunks.stream().map(StreamedChunk::here).toList();
    }

    private static long nanos(long bytes, double rate) {
        return (long) Math.min(bytes / rate * 1e9, 1e15);
    }
}
