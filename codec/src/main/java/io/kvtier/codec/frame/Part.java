package io.kvtier.codec.frame;

import io.kvtier.codec.error.InvalidRequestException;

/**
 * One rung of one span of tokens: the unit in which a frame is cut. Rung r is coded at step s·3^−r
 * and decodes on top of rung r−1 of the same tokens.
 *
 * @param rung 0 is the base
 */
public record Part(int rung, Span span) {
    /** The base of all tokens, first in every frame. */
    public static final Part BASE = new Part(0, Span.ALL);

    /** Most rungs. */
    public static final int RUNGS_MAX = 4;

    /** Checks the rung. */
    public Part {
        InvalidRequestException.check(
                rung >= 0 && rung < RUNGS_MAX, "rung", rung, "0.." + (RUNGS_MAX - 1));
    }
}
