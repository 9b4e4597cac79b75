package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Scorer;
import io.kvtier.codec.method.Scores;
import io.kvtier.codec.method.attention.BlockAttention;
import io.kvtier.codec.method.attention.KeyBlock;
import io.kvtier.codec.method.attention.Queries;
import java.util.Set;

/**
 * Scores a token by the attention of the last queries as proxies of all that will come: summed, and
 * without a causal mask. NACL: Y. Chen et al., ACL 2024, arXiv 2408.03675, section 3.1.
 *
 * @param share of the chunk's tokens whose queries are proxies, at least one; 0.01 in the paper
 */
public record ProxyWindow(double share) implements Scorer {
    /** Checks the range. */
    public ProxyWindow {
        check(share > 0 && share <= 1, "share of proxies", share, "above 0, at most 1");
    }

    @Override
    public String name() {
        return "proxy window " + share;
    }

    @Override
    public Set<Hint> needs() {
        return Set.of(Hint.QUERY_WINDOW);
    }

    @Override
    public Scores score(DenseKv kv, Hints hints) {
        WindowQueries window = WindowQueries.of(kv, hints);
        int proxies = Math.max(1, (int) (share * kv.tokens()));
        int end = kv.firstPosition() + kv.tokens();
        float[][] out = new float[kv.keys().length][];
        for (int layer = 0; layer < out.length; layer++) {
            Queries queries = window.last(layer, proxies, end, false);
            KeyBlock block = KeyBlock.whole(kv, layer);
            out[layer] =
                    BlockAttention.columnSums(
                            queries, block, BlockAttention.attend(queries, block));
        }
        return new Scores(kv.geometry().kvHeads(), kv.tokens(), out);
    }
}
