package io.kvtier.codec.plan;

import static io.kvtier.codec.error.InvalidRequestException.check;

/**
 * How much squared error a chunk may have at most, head and tail together and not weighted: what a
 * namespace's accepted loss means by the profile's loss map. A chunk that cannot be had within it
 * is computed, whatever the deadline.
 *
 * @param distortionPerElement in the profile's whitened domain, infinite = no bound
 * @param elementsPerToken of the model
 */
public record LossBudget(double distortionPerElement, int elementsPerToken) {
    /** Whatever is held will do. */
    public static final LossBudget NONE = new LossBudget(Double.POSITIVE_INFINITY, 1);

    /** Checks ranges. */
    public LossBudget {
        check(distortionPerElement >= 0, "distortionPerElement", distortionPerElement, "0 or more");
        check(elementsPerToken >= 1, "elementsPerToken", elementsPerToken, "1 or more");
    }

    /** Squared error that so many tokens may have. */
    double of(int tokens) {
        return distortionPerElement * elementsPerToken * tokens;
    }
}
