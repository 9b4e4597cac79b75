package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Scorer;
import io.kvtier.codec.method.Scores;
import java.util.Set;

/**
 * Scores a token by the attention that the last queries paid to it, averaged with its neighbours;
 * the tokens of these queries are above all others. SnapKV: Y. Li et al., NeurIPS 2024, arXiv
 * 2404.14469, section 4.
 *
 * @param window queries that the hint is the mean of; their own tokens stay
 * @param kernel odd number of neighbours to average; beyond the ends counts as 0
 */
public record AttentionWindow(int window, int kernel) implements Scorer {
    /** Checks the ranges. */
    public AttentionWindow {
        check(window >= 0, "window", window, "0 or more");
        check(kernel >= 1 && kernel % 2 == 1, "kernel", kernel, "odd");
    }

    @Override
    public String name() {
        return "attention window " + window + ", pooled by " + kernel;
    }

    @Override
    public Set<Hint> needs() {
        return Set.of(Hint.ATTENTION_WINDOW);
    }

    @Override
    public Scores score(DenseKv kv, Hints hints) {
        int heads = kv.geometry().kvHeads();
        int tokens = kv.tokens();
        float[] means = hints.get(Hint.ATTENTION_WINDOW, kv.keys().length * heads * tokens);
        int before = Math.max(0, tokens - window);
        Scores pooled =
                TokenScore.all(
                        kv,
                        (layer, head, token) -> {
                            int at = (layer * heads + head) * tokens;
                            return token < before ? pool(means, at, before, token) : 0;
                        });
        return Ranking.raise(pooled, token -> token >= before);
    }

    private double pool(float[] means, int at, int count, int token) {
        double sum = 0;
        int reach = kernel / 2;
        for (int t = Math.max(0, token - reach); t <= Math.min(count - 1, token + reach); t++) {
            sum += means[at + t];
        }
        return sum / kernel;
    }
}
