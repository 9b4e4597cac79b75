package io.kvtier.codec.profile;

/**
 * A named choice of rungs, with what it was measured to cost; NaN = unmeasured.
 *
 * @param farRung of chunks that do not end the request
 * @param lastRung of the chunk that ends the request
 * @param tailRung of that chunk's last tokens
 * @param dppl relative change of perplexity, a fraction
 * @param factsLoss lost share of facts
 * @param distortion as in {@link LossPoint}
 */
public record Level(
        String name,
        int farRung,
        int lastRung,
        int tailRung,
        float bitsPerElement,
        float kl,
        float dppl,
        float factsLoss,
        float distortion) {}
