package io.kvtier.codec.method;

/** Turns scores into bits under a budget. Immutable. */
public interface Allocator {
    /** What it is called in tables, with its parameters. */
    String name();

    /**
     * Bits for each layer, head and token.
     *
     * @param from the rates to start from: what it may keep, drop or lower
     * @param bytes what {@link RateMap#bytes} may be at most; ties go to the lower position
     */
    RateMap allocate(DenseKv kv, Scores scores, RateMap from, long bytes);
}
