package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;

/**
 * Puts the first tokens and the last ones above all others and leaves the rest to another
 * allocator. With a share of 1 that is StreamingLLM: G. Xiao et al., ICLR 2024, arXiv 2309.17453,
 * section 3.2; with 0.5 and no sink it is the split of H2O.
 *
 * <p>What is recent in a chunk is recent for a request only where the chunk ends the prefix: do not
 * use it for chunks in the middle of a chain.
 *
 * @param sinks first tokens
 * @param recentShare of the tokens that a head can keep on average, 0..1
 */
public record SinksAndRecent(int sinks, double recentShare, Allocator rest) implements Allocator {
    /** Checks the ranges. */
    public SinksAndRecent {
        check(sinks >= 0, "sinks", sinks, "0 or more");
        check(recentShare >= 0 && recentShare <= 1, "recent share", recentShare, "0..1");
    }

    @Override
    public String name() {
        return sinks + " sinks, recent " + recentShare + ", " + rest.name();
    }

    @Override
    public RateMap allocate(DenseKv kv, Scores scores, RateMap from, long bytes) {
        int kept = Selection.tokensPerHead(kv, from, bytes);
        int first = Math.min(sinks, kept);
        int last = Math.min((int) (kept * recentShare), kept - first);
        Scores raised =
                Ranking.raise(scores, token -> token < first || token >= kv.tokens() - last);
        return rest.allocate(kv, raised, from, bytes);
    }
}
