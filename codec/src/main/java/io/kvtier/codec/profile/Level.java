package io.kvtier.codec.profile;

import java.util.List;

/**
 * A named choice of rungs, with what it was measured to cost; NaN = unmeasured.
 *
 * @param farRung of chunks that do not end the request
 * @param lastRung of the chunk that ends the request
 * @param tailRung of that chunk's last tokens
 * @param farGroups layer groups of a frame, ascending, whose heads reach {@code farRung} in far
 *     chunks; those of other groups stay one rung lower; none = all reach it
 * @param dppl relative change of perplexity, a fraction
 * @param factsLoss lost share of facts
 * @param distortion as in {@link LossPoint}
 */
public record Level(
        String name,
        int farRung,
        int lastRung,
        int tailRung,
        List<Integer> farGroups,
        float bitsPerElement,
        float kl,
        float dppl,
        float factsLoss,
        float distortion) {
    /** Copies the list. */
    public Level {
        farGroups = List.copyOf(farGroups);
    }
}
