package io.kvtier.codec.plan;

import java.util.List;

/**
 * Which grade to ask of each chunk, and in which order.
 *
 * @param grades one for each chunk in order; {@link Grade#NOTHING} of those that are computed, or
 *     that do not come in time
 * @param steps in sending order: first what makes each chunk usable, then refinements, those that
 *     take most distortion away for a byte first, so that what is there at any time is worth most
 * @param bytes still to be sent
 * @param nanos until the request is done: fetched, decoded and, where its cost is known, computed
 * @param distortion weighted squared error that is left on the chunks that are asked for
 * @param gap by how much {@code distortion} is at most above the least that so many chunks can have
 *     within the time
 * @param limit what kept the plan from asking for more
 */
public record Plan(
        List<Grade> grades,
        List<Step> steps,
        long bytes,
        long nanos,
        double distortion,
        double gap,
        Limit limit) {
    /** What bounded a plan. */
    public enum Limit {
        /** Nothing: everything that is held is asked for. */
        NONE,
        /** The time left allows lower rungs only. */
        QUALITY,
        /** The time left does not allow every chunk: fewer are asked for. */
        PREFIX,
        /** Nothing is asked for: computing is done sooner than fetching. */
        SLOWER,
        /** Nothing is asked for: the loss budget allows nothing that could come in time. */
        LOSS,
        /** Nothing is asked for: a tenth of the time of computing is gone without a chunk. */
        STALLED
    }

    /** One chunk comes to a grade. */
    public record Step(int chunk, Grade to) {}

    /** Copies the lists. */
    public Plan {
        grades = List.copyOf(grades);
        steps = List.copyOf(steps);
    }

    /** Chunks that are asked for: the first ones, or the last ones of a bidirectional plan. */
    public int chunks() {
        int count = 0;
        for (Grade grade : grades) {
            count += grade.equals(Grade.NOTHING) ? 0 : 1;
        }
        return count;
    }

    /** Whether to compute everything, since fetching does not pay. */
    public boolean isRecompute() {
        return limit.compareTo(Limit.SLOWER) >= 0;
    }
}
