package io.kvtier.codec.method.policy;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Scorer;
import io.kvtier.codec.method.Scores;
import java.util.Set;

/**
 * Scores a token by its position: the later, the higher. A sliding window, and the fallback of
 * scorers whose hint is missing: it needs neither hints nor data.
 */
public record Recency() implements Scorer {
    @Override
    public String name() {
        return "recency";
    }

    @Override
    public Set<Hint> needs() {
        return Set.of();
    }

    @Override
    public Scores score(DenseKv kv, Hints hints) {
        return TokenScore.all(kv, (layer, head, token) -> token);
    }
}
