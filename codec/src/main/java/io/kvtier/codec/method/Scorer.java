package io.kvtier.codec.method;

import java.util.Set;

/** Says how much each token matters to each head. Immutable. */
public interface Scorer {
    /** What it is called in tables, with its parameters. */
    String name();

    /** The hints without which {@link #score} refuses. */
    Set<Hint> needs();

    /** Scores of a chunk. */
    Scores score(DenseKv kv, Hints hints);
}
