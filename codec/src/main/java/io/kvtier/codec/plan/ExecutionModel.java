package io.kvtier.codec.plan;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.function.IntPredicate;

/**
 * How an engine puts fetched and computed KV together: what a request costs in time when some
 * chunks are fetched and the others computed, in which order chunks are sent, and what is left of
 * them when the deadline comes first.
 *
 * <p>Times are nanoseconds: <i>fetch</i> until all fetched chunks are there and decoded,
 * <i>compute</i> for the prefill of all others.
 */
public sealed interface ExecutionModel {
    /** Time of a request. */
    long finishNanos(long fetchNanos, long computeNanos);

    /** Longest fetch with which a request is done in time; negative when there is none. */
    long fetchNanosMax(long nanosLeft, long computeNanos);

    /** Whether chunks come from the last one to the first, and the first ones are computed. */
    default boolean fromTheBack() {
        return false;
    }

    /**
     * How many chunks a missed deadline leaves: of those that were asked for, in the order in which
     * they were sent, how many of the first ones are of use.
     *
     * @param asked chunks that were asked for
     * @param arrived whether the n-th chunk in sending order is there
     */
    default int usable(int asked, IntPredicate arrived) {
        int count = 0;
        while (count < asked && arrived.test(count)) {
            count++;
        }
        return count;
    }

    /**
     * The engine takes a prefix, then prefills the rest, as vLLM and SGLang do: time = fetch +
     * compute. Chunks come from the first one on, and a missed deadline leaves those that arrived
     * without a gap.
     */
    record Sequential() implements ExecutionModel {
        @Override
        public long finishNanos(long fetchNanos, long computeNanos) {
            return fetchNanos + computeNanos;
        }

        @Override
        public long fetchNanosMax(long nanosLeft, long computeNanos) {
            return nanosLeft - computeNanos;
        }
    }

    /**
     * Layer l of the rest is computed as soon as layer l of the prefix is there. With layers of
     * equal size, sent layer by layer, either the fetch is what takes long, and one layer's share
     * of the computation comes behind it, or the computation, behind one layer's share of the
     * fetch: time = max(fetch + compute/L, fetch/L + compute). All or nothing at the deadline: a
     * layer of which a chunk is missing holds up every layer above it.
     *
     * @param layers L
     */
    record Layered(int layers) implements ExecutionModel {
        /** Checks the count. */
        public Layered {
            check(layers >= 1, "layers", layers, "1 or more");
        }

        @Override
        public long finishNanos(long fetchNanos, long computeNanos) {
            return Math.max(fetchNanos + computeNanos / layers, fetchNanos / layers + computeNanos);
        }

        @Override
        public long fetchNanosMax(long nanosLeft, long computeNanos) {
            long slack = nanosLeft - computeNanos;
            long overlapped = slack > Link.FOREVER / layers ? Link.FOREVER : slack * layers;
            return Math.min(nanosLeft - computeNanos / layers, overlapped);
        }

        @Override
        public int usable(int asked, IntPredicate arrived) {
            int count = ExecutionModel.super.usable(asked, arrived);
            return count == asked ? count : 0;
        }
    }

    /**
     * A loop that computes from the front while it loads from the back, until both meet: time =
     * max(fetch, compute). Chunks come from the last one on; a missed deadline leaves those that
     * arrived without a gap before the end, and computing goes on towards them.
     */
    record Bidirectional() implements ExecutionModel {
        @Override
        public long finishNanos(long fetchNanos, long computeNanos) {
            return Math.max(fetchNanos, computeNanos);
        }

        @Override
        public long fetchNanosMax(long nanosLeft, long computeNanos) {
            return computeNanos > nanosLeft ? -1 : nanosLeft;
        }

        @Override
        public boolean fromTheBack() {
            return true;
        }
    }
}
