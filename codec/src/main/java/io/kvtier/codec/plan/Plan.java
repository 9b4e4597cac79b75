package io.kvtier.codec.plan;

import java.util.List;

/**
 * Which grade to ask of each chunk.
 *
 * @param grades one for each chunk in order; {@link Grade#NOTHING} only behind the prefix that fits
 * @param bytes still to be sent
 * @param nanos until the last of them is decoded
 * @param distortion weighted squared error that is left on the chunks that are asked for
 * @param limit what kept the plan from asking for more
 */
public record Plan(List<Grade> grades, long bytes, long nanos, double distortion, Limit limit) {
    /** What bounded a plan. */
    public enum Limit {
        /** Nothing: everything that is held is asked for. */
        NONE,
        /** The time left allows lower rungs only. */
        QUALITY,
        /** The time left does not allow the base of every chunk: the prefix is shorter. */
        PREFIX
    }

    /** Copies the grades. */
    public Plan {
        grades = List.copyOf(grades);
    }

    /** Leading chunks that are asked for. */
    public int chunks() {
        int count = 0;
        while (count < grades.size() && !grades.get(count).equals(Grade.NOTHING)) {
            count++;
        }
        return count;
    }
}
