package io.kvtier.codec.method.policy;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Scorer;
import io.kvtier.codec.method.Scores;
import java.util.Set;

/**
 * Multiplies another score by the L1 norm of the token's value. VATP: Z. Guo et al., EMNLP 2024,
 * arXiv 2406.12335, section 3. Attention sinks have small values: keep them by {@link
 * SinksAndRecent}; the paper keeps 20.
 */
public record ValueAware(Scorer inner) implements Scorer {
    @Override
    public String name() {
        return inner.name() + " by value norm";
    }

    @Override
    public Set<Hint> needs() {
        return inner.needs();
    }

    @Override
    public Scores score(DenseKv kv, Hints hints) {
        Scores scores = inner.score(kv, hints);
        int heads = kv.geometry().kvHeads();
        int dim = kv.geometry().valueDim();
        return TokenScore.all(
                kv,
                (layer, head, token) -> {
                    float[] values = kv.values()[layer];
                    int at = (token * heads + head) * dim;
                    double norm = 0;
                    for (int d = at; d < at + dim; d++) {
                        norm += Math.abs(values[d]);
                    }
                    return scores.at(layer, head, token) * norm;
                });
    }
}
