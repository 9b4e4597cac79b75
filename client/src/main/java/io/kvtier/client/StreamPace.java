package io.kvtier.client;

import io.kvtier.codec.plan.Plan;
import io.kvtier.codec.plan.SendOrder;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * What a stream does next: ask for more while the window has room, take back, wait, or end. Streams
 * over a network and streams in virtual time run by it alike.
 *
 * <p>Thread-safety: none; it lives on the thread of its stream.
 */
public final class StreamPace {
    private static final Move WAIT = new Move.Wait();
    private static final Move END = new Move.End();

    private final StreamPlan plan;
    private final PendingRequests pending;
    private final GoodputEstimator estimator;
    private final NanoClock clock;

    /** The next thing to do. */
    public sealed interface Move {
        /**
         * Ask for parts of a chunk, then look again.
         *
         * @param chunk index in the match
         * @param bytes of the parts
         */
        record Ask(int chunk, int partFrom, int partTo, long bytes) implements Move {}

        /**
         * Take requests back, then look again.
         *
         * @param numbers of the requests
         */
        record TakeBack(List<Integer> numbers) implements Move {
            /** Copies the list. */
            public TakeBack {
                numbers = List.copyOf(numbers);
            }
        }

        /** Wait for an answer. */
        record Wait() implements Move {}

        /** End, since computing is better than all that could still come. */
        record GiveUp(Plan plan) implements Move {}

        /** End: nothing is under way, and nothing more is wanted. */
        record End() implements Move {}
    }

    /** The pace of one stream. */
    public StreamPace(
            StreamPlan plan, PendingRequests pending, GoodputEstimator estimator, NanoClock clock) {
        this.plan = plan;
        this.pending = pending;
        this.estimator = estimator;
        this.clock = clock;
    }

    /**
     * What to do now.
     *
     * @param from index in the match of the first chunk that may still come
     * @param open chunks that may still come, in order, without a gap
     * @param nanosLeft until the stream has to end
     */
    public Move next(int from, Supplier<List<StreamedChunk>> open, long nanosLeft) {
        Plan current = plan.current(open, pending.underWay(), nanosLeft);
        if (plan.isFresh() && plan.startsFromWhatIsHere()) {
            List<Integer> unwanted =
                    pending.numbers(
                            each ->
                                    !plan.wants(
                                            each.chunk() - from, each.partFrom(), each.partTo()));
            if (!unwanted.isEmpty()) {
                return new Move.TakeBack(unwanted);
            }
        }
        if (current.isRecompute()) {
            return new Move.GiveUp(current);
        }
        List<StreamedChunk> chunks = open.get();
        Optional<SendOrder.Item> next =
                SendOrder.next(
                        current,
                        chunks.stream().map(StreamedChunk::directory).toList(),
                        chunks.stream().map(StreamedChunk::requested).toList());
        if (next.isEmpty()) {
            if (!pending.isEmpty()) {
                return WAIT;
            }
            if (plan.isFresh()) {
                return END;
            }
            // Before the end, ask once more: a header may have told of more parts, or the link
            // turned out faster.
            plan.invalidate();
            return next(from, open, nanosLeft);
        }
        SendOrder.Item item = next.get();
        long cost = item.bytes(chunks.get(item.chunk()).directory());
        long underWay = pending.underWay().bytes();
        long now = clock.nanoTime();
        boolean room = underWay + cost <= estimator.windowBytes(now);
        if (!pending.isEmpty() && !room && underWay > estimator.pipeBytes(now)) {
            return WAIT;
        }
        return new Move.Ask(from + item.chunk(), item.partFrom(), item.partTo(), cost);
    }
}
