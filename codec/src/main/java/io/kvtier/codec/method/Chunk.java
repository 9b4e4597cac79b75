package io.kvtier.codec.method;

import io.kvtier.codec.identity.Geometry;

/**
 * What both sides know of a chunk before its data: shape, place and rates.
 *
 * @param firstPosition position of the first token in its sequence
 * @param rates bits by layer, head and token; the container carries them
 */
public record Chunk(Geometry geometry, int firstPosition, int tokens, RateMap rates) {
    /** Elements of one head of one token. */
    public int dim(Kind kind) {
        return kind == Kind.KEYS ? geometry.keyDim() : geometry.valueDim();
    }
}
