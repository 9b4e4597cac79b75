package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.IntBinaryOperator;
import java.util.function.IntPredicate;

/**
 * The tokens of each head by falling score, ties to the lower position, and what the first n of
 * them cost at the rates that one starts from.
 */
final class Selection {
    private final RateMap from;
    private final Set<Kind> kinds;
    private final int heads;
    private final int tokens;

    /** Tokens of each layer and head, best first. */
    private final int[][] order;

    /** Bits of the first n of them. */
    private final long[][] prefix;

    /** Bits of what is not selected from. */
    private long fixedBits;

    /** Ranks the tokens; {@code kinds} are what a token that is not selected loses. */
    Selection(DenseKv kv, Scores scores, RateMap from, Set<Kind> kinds) {
        this.from = from;
        this.kinds = kinds;
        heads = from.kvHeads();
        tokens = from.tokens();
        check(tokens == kv.tokens(), "tokens of the rates", tokens, kv.tokens());
        check(scores.tokens() == tokens, "tokens of the scores", scores.tokens(), tokens);
        int all = from.layers() * heads;
        order = new int[all][];
        prefix = new long[all][tokens + 1];
        Geometry geometry = kv.geometry();
        for (int i = 0; i < all; i++) {
            int layer = i / heads;
            int head = i % heads;
            order[i] = Ranking.descending(scores.values()[layer], head * tokens, tokens);
            for (int n = 0; n < tokens; n++) {
                prefix[i][n + 1] = prefix[i][n] + bits(geometry, layer, head, order[i][n], kinds);
            }
            for (int t = 0; t < tokens; t++) {
                fixedBits += bits(geometry, layer, head, t, EnumSet.complementOf(copy(kinds)));
            }
        }
    }

    /** Bytes when a layer's head keeps {@code count.applyAsInt(layer, head)} tokens. */
    long bytes(IntBinaryOperator count) {
        long bits = fixedBits;
        for (int i = 0; i < prefix.length; i++) {
            bits += prefix[i][count.applyAsInt(i / heads, i % heads)];
        }
        return (bits + 7) / 8;
    }

    /** The rates when a layer's head keeps that many tokens. */
    RateMap keep(IntBinaryOperator count) {
        RateMap out = from.copy();
        for (int i = 0; i < order.length; i++) {
            int kept = count.applyAsInt(i / heads, i % heads);
            for (int n = kept; n < tokens; n++) {
                for (Kind kind : kinds) {
                    out.plane(kind)[i / heads][i % heads * tokens + order[i][n]] = 0;
                }
            }
        }
        return out;
    }

    /** The largest n in [0, max] that holds, where all smaller ones hold too; refuses if none. */
    static int largest(int max, long bytes, IntPredicate holds) {
        check(holds.test(0), "budget in bytes", bytes, "what is never dropped at least");
        int low = 0;
        int high = max;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (holds.test(middle)) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    /** How many tokens a head can keep on average. */
    static int tokensPerHead(DenseKv kv, RateMap from, long bytes) {
        long whole = Math.max(1, from.bytes(kv.geometry()));
        return (int) Math.min(kv.tokens(), bytes * kv.tokens() / whole);
    }

    private static EnumSet<Kind> copy(Set<Kind> kinds) {
        EnumSet<Kind> out = EnumSet.noneOf(Kind.class);
        out.addAll(kinds);
        return out;
    }

    private long bits(Geometry geometry, int layer, int head, int token, Set<Kind> of) {
        long bits = 0;
        for (Kind kind : of) {
            int dim = kind == Kind.KEYS ? geometry.keyDim() : geometry.valueDim();
            bits += (long) dim * from.bits(kind, layer, head, token);
        }
        return bits;
    }
}
