package io.kvtier.codec.method;

/** Statistics that only the worker has and may send beside a put; arrays of floats. */
public enum Hint {
    /** {@code [layers, kvHeads, tokens]}: attention received from all later queries, summed. */
    ATTENTION_SUM,
    /** {@code [layers, kvHeads, tokens]}: attention received from the last queries, mean. */
    ATTENTION_WINDOW,
    /** {@code [layers, queryHeads, window, keyDim]}: those queries after RoPE. */
    QUERY_WINDOW,
    /** {@code [layers, queryHeads, keyDim · (1 + keyDim)]}: mean and covariance before RoPE. */
    QUERY_MOMENTS,
    /** {@code [tokens]}: −log p of each token. */
    SURPRISE,
    /** {@code [tokens]}: 1 where the token belongs to a name, number or other entity. */
    ENTITY
}
