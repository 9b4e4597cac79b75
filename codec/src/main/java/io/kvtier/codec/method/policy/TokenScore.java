package io.kvtier.codec.method.policy;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Scores;

/** The score of one token in one head. */
@FunctionalInterface
interface TokenScore {
    /** Of a stored layer, KV head and token. */
    double of(int layer, int head, int token);

    /** The scores of all tokens. */
    static Scores all(DenseKv kv, TokenScore score) {
        int heads = kv.geometry().kvHeads();
        Scores out = Scores.zeros(kv.keys().length, heads, kv.tokens());
        for (int layer = 0; layer < kv.keys().length; layer++) {
            for (int head = 0; head < heads; head++) {
                for (int token = 0; token < kv.tokens(); token++) {
                    out.values()[layer][head * kv.tokens() + token] =
                            (float) score.of(layer, head, token);
                }
            }
        }
        return out;
    }
}
