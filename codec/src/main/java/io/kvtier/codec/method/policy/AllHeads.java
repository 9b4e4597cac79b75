package io.kvtier.codec.method.policy;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Scorer;
import io.kvtier.codec.method.Scores;
import java.util.Set;

/**
 * Gives every head and layer the mean of another score over all of them, so that an allocator keeps
 * the same tokens everywhere: transforms across heads or layers lose nothing to gaps then.
 */
public record AllHeads(Scorer inner) implements Scorer {
    @Override
    public String name() {
        return "all heads' " + inner.name();
    }

    @Override
    public Set<Hint> needs() {
        return inner.needs();
    }

    @Override
    public Scores score(DenseKv kv, Hints hints) {
        Scores each = inner.score(kv, hints);
        int tokens = each.tokens();
        double[] sums = new double[tokens];
        for (float[] layer : each.values()) {
            for (int i = 0; i < layer.length; i++) {
                sums[i % tokens] += layer[i];
            }
        }
        Scores out = Scores.zeros(each.values().length, each.kvHeads(), tokens);
        double heads = (double) each.kvHeads() * each.values().length;
        for (float[] layer : out.values()) {
            for (int i = 0; i < layer.length; i++) {
                layer[i] = (float) (sums[i % tokens] / heads);
            }
        }
        return out;
    }
}
