package io.kvtier.codec.frame;

/** Which tokens of a chunk a part covers; the ordinal is its byte in a frame. */
public enum Span {
    /** Every token. */
    ALL,
    /** The tokens before the tail. */
    HEAD,
    /** The chunk's last {@code min(tailTokens, tokens)} tokens. */
    TAIL;

    /** Whether tokens before the tail are covered. */
    public boolean coversHead() {
        return this != TAIL;
    }

    /** Whether the tail is covered. */
    public boolean coversTail() {
        return this != HEAD;
    }
}
