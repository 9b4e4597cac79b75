package io.kvtier.codec.method.policy;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Scorer;
import io.kvtier.codec.method.Scores;
import java.util.Set;

/**
 * Scores a token by the attention that all later queries paid to it: H2O's heavy hitters, Z. Zhang
 * et al., NeurIPS 2023, arXiv 2306.14048, section 4.
 *
 * @param perQuery whether to divide by the number of queries that could see the token, which takes
 *     away the advantage of early tokens
 */
public record AttentionSum(boolean perQuery) implements Scorer {
    @Override
    public String name() {
        return perQuery ? "attention mean" : "attention sum";
    }

    @Override
    public Set<Hint> needs() {
        return Set.of(Hint.ATTENTION_SUM);
    }

    @Override
    public Scores score(DenseKv kv, Hints hints) {
        int heads = kv.geometry().kvHeads();
        int tokens = kv.tokens();
        float[] sums = hints.get(Hint.ATTENTION_SUM, kv.keys().length * heads * tokens);
        return TokenScore.all(
                kv,
                (layer, head, token) ->
                        sums[(layer * heads + head) * tokens + token]
                                / (perQuery ? tokens - token : 1f));
    }
}
