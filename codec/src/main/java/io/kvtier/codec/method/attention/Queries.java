package io.kvtier.codec.method.attention;

import static io.kvtier.codec.error.InvalidRequestException.check;

/**
 * Queries of one layer after RoPE, of every query head.
 *
 * @param heads query heads
 * @param count queries of each head
 * @param dim elements of a query
 * @param firstPosition position of the first; the others follow
 * @param causal whether a query sees only keys up to its own position
 * @param values {@code [heads, count, dim]}, lent
 */
@SuppressWarnings("ArrayRecordComponent")
public record Queries(
        int heads, int count, int dim, int firstPosition, boolean causal, float[] values) {
    /** Checks the length. */
    public Queries {
        check(
                values.length == heads * count * dim,
                "query elements",
                values.length,
                "heads·count·dim");
    }
}
