package io.kvtier.codec.method.policy;

import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;
import java.util.EnumSet;
import java.util.function.IntUnaryOperator;

/**
 * Keeps in each head the n tokens of the highest scores, keys and values, with the largest n that
 * the budget allows; drops the others.
 *
 * @param wholeLayers first layers that keep everything, as A. Devoto et al., arXiv 2406.11430, do
 *     with two
 */
public record TopTokens(int wholeLayers) implements Allocator {
    /** The same in all layers. */
    public TopTokens() {
        this(0);
    }

    @Override
    public String name() {
        return wholeLayers == 0 ? "top" : "top, first " + wholeLayers + " layers whole";
    }

    @Override
    public RateMap allocate(DenseKv kv, Scores scores, RateMap from, long bytes) {
        Selection selection = new Selection(kv, scores, from, EnumSet.allOf(Kind.class));
        int n =
                Selection.largest(
                        kv.tokens(),
                        bytes,
                        kept -> selection.bytes((l, h) -> count(kv, kept).applyAsInt(l)) <= bytes);
        return selection.keep((layer, head) -> count(kv, n).applyAsInt(layer));
    }

    private IntUnaryOperator count(DenseKv kv, int kept) {
        return layer -> layer < wholeLayers ? kv.tokens() : kept;
    }
}
