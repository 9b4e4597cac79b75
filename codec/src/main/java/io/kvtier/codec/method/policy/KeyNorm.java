package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Scorer;
import io.kvtier.codec.method.Scores;
import java.util.List;
import java.util.Set;

/**
 * Scores a token by the L2 norm of its key, low norms first, which needs no attention and does not
 * change under RoPE. A. Devoto et al., EMNLP 2024, arXiv 2406.11430. Whether low norms do attract
 * attention depends on the head; measure before use.
 *
 * @param signs by stored layer and KV head: 1 where low norms matter, −1 where high ones do, 0
 *     where the norm says nothing; empty = 1 everywhere, as published
 */
public record KeyNorm(List<Integer> signs) implements Scorer {
    /** Copies and checks the signs. */
    public KeyNorm {
        signs = List.copyOf(signs);
        check(signs.stream().allMatch(s -> s >= -1 && s <= 1), "signs", signs, "-1, 0 or 1 each");
    }

    /** As published: low norms matter in all heads. */
    public KeyNorm() {
        this(List.of());
    }

    /**
     * Signs from the attention that calibration caches saw: where the rank correlation of −‖k‖ and
     * attention is positive 1, where it is negative −1.
     *
     * @param attention {@code [layers, kvHeads, tokens]}
     */
    public static KeyNorm calibrated(DenseKv kv, float[] attention) {
        Scores norms = new KeyNorm().score(kv, Hints.none());
        int heads = kv.geometry().kvHeads();
        int tokens = kv.tokens();
        check(
                attention.length == kv.keys().length * heads * tokens,
                "elements of the attention",
                attention.length,
                kv.keys().length * heads * tokens);
        Integer[] signs = new Integer[kv.keys().length * heads];
        for (int i = 0; i < signs.length; i++) {
            int[] byNorm =
                    Ranking.descending(norms.values()[i / heads], i % heads * tokens, tokens);
            int[] byAttention = Ranking.descending(attention, i * tokens, tokens);
            signs[i] = (int) Math.signum(rankCovariance(byNorm, byAttention));
        }
        return new KeyNorm(List.of(signs));
    }

    @Override
    public String name() {
        return signs.isEmpty() ? "key norm" : "key norm, signs calibrated";
    }

    @Override
    public Set<Hint> needs() {
        return Set.of();
    }

    @Override
    public Scores score(DenseKv kv, Hints hints) {
        int heads = kv.geometry().kvHeads();
        int dim = kv.geometry().keyDim();
        check(
                signs.isEmpty() || signs.size() == kv.keys().length * heads,
                "signs of key norms",
                signs.size(),
                kv.keys().length * heads);
        return TokenScore.all(
                kv,
                (layer, head, token) -> {
                    int sign = signs.isEmpty() ? 1 : signs.get(layer * heads + head);
                    float[] keys = kv.keys()[layer];
                    int at = (token * heads + head) * dim;
                    double sum = 0;
                    for (int d = at; d < at + dim; d++) {
                        sum += (double) keys[d] * keys[d];
                    }
                    return -sign * Math.sqrt(sum);
                });
    }

    private static double rankCovariance(int[] a, int[] b) {
        int[] rankA = new int[a.length];
        for (int i = 0; i < a.length; i++) {
            rankA[a[i]] = i;
        }
        double middle = (a.length - 1) / 2.0;
        double sum = 0;
        for (int i = 0; i < b.length; i++) {
            sum += (rankA[b[i]] - middle) * (i - middle);
        }
        return sum;
    }
}
