package io.kvtier.codec.method.policy;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Scorer;
import io.kvtier.codec.method.Scores;
import java.util.HashSet;
import java.util.Set;

/**
 * Puts tokens of entities (numbers, names, what follows them) above all others in every head, so
 * that they are the last to be dropped; among themselves and below, another score decides. The
 * survey's idea of semantic rates. {@link EntityTagger} makes the hint from token strings.
 */
public record EntityFloor(Scorer inner) implements Scorer {
    @Override
    public String name() {
        return "entities over " + inner.name();
    }

    @Override
    public Set<Hint> needs() {
        Set<Hint> out = new HashSet<>(inner.needs());
        out.add(Hint.ENTITY);
        return Set.copyOf(out);
    }

    @Override
    public Scores score(DenseKv kv, Hints hints) {
        float[] entity = hints.get(Hint.ENTITY, kv.tokens());
        return Ranking.raise(inner.score(kv, hints), token -> entity[token] > 0);
    }
}
