package io.kvtier.codec.plan;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.Span;

/**
 * What of a chunk is asked for: a rung for its head and one, at least as high, for its tail.
 *
 * @param headRung rung of the tokens before the tail, −1 = nothing of the chunk
 * @param tailRung rung of the tail
 */
public record Grade(int headRung, int tailRung) implements Comparable<Grade> {
    /** Nothing of the chunk. */
    public static final Grade NOTHING = new Grade(-1, -1);

    /** The base alone. */
    public static final Grade BASE = new Grade(0, 0);

    /** Checks that the tail is no worse than the head. */
    public Grade {
        InvalidRequestException.check(
                headRung >= -1 && headRung <= tailRung && tailRung < Part.RUNGS_MAX,
                "grade",
                headRung + "/" + tailRung,
                "-1 <= head rung <= tail rung < " + Part.RUNGS_MAX);
        InvalidRequestException.check(
                headRung >= 0 || tailRung == -1,
                "grade",
                headRung + "/" + tailRung,
                "a tail only with its head's base");
    }

    /** Whether decoding at this grade uses the part. */
    public boolean uses(Part part) {
        Span span = part.span();
        return (span.coversHead() && part.rung() <= headRung)
                || (span.coversTail() && part.rung() <= tailRung);
    }

    /** Whether this has every part that the other has. */
    public boolean covers(Grade other) {
        return headRung >= other.headRung && tailRung >= other.tailRung;
    }

    /** By tail, then by head: a total order for sorting, not a measure of quality. */
    @Override
    public int compareTo(Grade other) {
        int byTail = Integer.compare(tailRung, other.tailRung);
        return byTail != 0 ? byTail : Integer.compare(headRung, other.headRung);
    }

    @Override
    public String toString() {
        return headRung == tailRung ? Integer.toString(headRung) : headRung + "/" + tailRung;
    }
}
