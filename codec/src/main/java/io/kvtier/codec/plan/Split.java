package io.kvtier.codec.plan;

import io.kvtier.codec.plan.Plan.Limit;
import java.util.List;

/**
 * How many chunks are fetched, and how many bytes they may take; all others are computed.
 *
 * @param fetched of the first chunks, or of the last ones
 * @param budget bytes that may be sent for them
 * @param waiting those of the fetched that are not usable yet
 * @param computeNanos of all others
 * @param reason why nothing is fetched, {@link Limit#PREFIX} when computing was not weighed
 */
record Split(int fetched, long budget, int waiting, long computeNanos, Limit reason) {
    /* The tier is there to save computing, so the split that computes least is taken among those
     * that are in time and no later than computing everything from the start would have been. When
     * none is, the one that is done first. More chunks are not always slower: prefill grows with
     * the context, so every split is looked at.
     */
    private static final int STALL_SHARE = 10;

    static Split choose(List<PlannedChunk> chunks, Choices[] choices, Link link, Goal goal) {
        boolean weighed = goal.recompute().isKnown() && !chunks.isEmpty();
        ExecutionModel model = goal.model();
        long all = weighed ? computing(chunks, 0, goal) : 0;
        if (weighed && goal.nanosSpent() > all / STALL_SHARE && !anyArrived(chunks, goal)) {
            return new Split(0, 0, 0, all, Limit.STALLED);
        }
        long left = goal.nanosLeft();
        if (weighed) {
            left = Math.min(left, Math.max(0, all - goal.nanosSpent()));
        }
        Split best = new Split(0, 0, 0, all, weighed ? Limit.SLOWER : Limit.PREFIX);
        long soonest = all;
        boolean inTime = weighed && all <= left;
        long bytes = 0;
        int waiting = 0;
        for (int count = 1; count <= chunks.size(); count++) {
            Choices choice = choices[model.fromTheBack() ? chunks.size() - count : count - 1];
            if (choice.least() < 0) {
                break;
            }
            long more = choice.bytes(choice.least());
            bytes += more;
            waiting += more > 0 ? 1 : 0;
            long compute = weighed ? computing(chunks, count, goal) : 0;
            long fetchMax = left;
            long budget = left;
            if (left != Long.MAX_VALUE) {
                fetchMax = model.fetchNanosMax(left, compute);
                budget = link.bytesWithin(fetchMax, waiting);
            }
            if (fetchMax >= 0 && bytes <= budget) {
                inTime = true;
                best = new Split(count, budget, waiting, compute, Limit.PREFIX);
            } else if (!weighed) {
                break;
            } else if (!inTime) {
                long fetch = bytes == 0 ? 0 : link.nanosFor(bytes, waiting);
                long finish = model.finishNanos(fetch, compute);
                if (finish < soonest) {
                    soonest = finish;
                    best = new Split(count, bytes, waiting, compute, Limit.PREFIX);
                }
            }
        }
        return best;
    }

    /** Time to compute what is not fetched when {@code count} chunks are. */
    private static long computing(List<PlannedChunk> chunks, int count, Goal goal) {
        long start = chunks.getFirst().directory().firstPosition();
        long end = end(chunks.getLast());
        Recompute recompute = goal.recompute();
        if (goal.model().fromTheBack()) {
            int from = chunks.size() - count;
            // An engine that computes from the front has to begin at the front of the sequence.
            long to = count == 0 ? end : chunks.get(from).directory().firstPosition();
            return recompute.nanos(0, to);
        }
        long from = count == 0 ? start : end(chunks.get(count - 1));
        return recompute.nanos(from, end + recompute.suffixTokens());
    }

    private static long end(PlannedChunk chunk) {
        return (long) chunk.directory().firstPosition() + chunk.directory().tokens();
    }

    private static boolean anyArrived(List<PlannedChunk> chunks, Goal goal) {
        PlannedChunk next = goal.model().fromTheBack() ? chunks.getLast() : chunks.getFirst();
        return !next.arrived().equals(Grade.NOTHING);
    }
}
