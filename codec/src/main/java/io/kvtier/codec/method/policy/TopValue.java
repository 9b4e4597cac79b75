package io.kvtier.codec.method.policy;

import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;
import java.util.EnumSet;

/**
 * Keeps all keys and in each head the values of the n tokens of the highest scores: FlexGen's
 * sparse attention, Y. Sheng et al., ICML 2023, arXiv 2303.06865, section 4.2, decided when the
 * chunk is written. A missing value counts as 0 with its full weight, so an attention output is off
 * by at most the weight that was missed times the largest norm of a value.
 */
public record TopValue() implements Allocator {
    @Override
    public String name() {
        return "top values";
    }

    @Override
    public RateMap allocate(DenseKv kv, Scores scores, RateMap from, long bytes) {
        Selection selection = new Selection(kv, scores, from, EnumSet.of(Kind.VALUES));
        int n =
                Selection.largest(
                        kv.tokens(), bytes, kept -> selection.bytes((l, h) -> kept) <= bytes);
        return selection.keep((layer, head) -> n);
    }
}
