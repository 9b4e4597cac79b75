package io.kvtier.storage;

/**
 * A stored value is not what was put.
 *
 * <p>Never leaves a store: its boundary turns it into quarantine and a miss.
 */
public final class CorruptChunkException extends Exception {
    private static final long serialVersionUID = 1L;

    /** Says of which key, what part of it, and what does not match. */
    public CorruptChunkException(StoreKey key, String where, String expected, String actual) {
        super("key=" + key + " where=" + where + " expected=" + expected + " actual=" + actual);
    }
}
