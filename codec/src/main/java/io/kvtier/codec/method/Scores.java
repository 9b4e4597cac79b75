package io.kvtier.codec.method;

/**
 * How much a token matters to a head; only the order within a head has a meaning unless the scorer
 * says more.
 *
 * @param values for each stored layer {@code [kvHeads, tokens]}, finite
 */
@SuppressWarnings("ArrayRecordComponent")
public record Scores(int kvHeads, int tokens, float[][] values) {
    /** The score of a token in a head. */
    public float at(int layer, int head, int token) {
        return values[layer][head * tokens + token];
    }

    /** All zeros. */
    public static Scores zeros(int layers, int kvHeads, int tokens) {
        return new Scores(kvHeads, tokens, new float[layers][kvHeads * tokens]);
    }
}
