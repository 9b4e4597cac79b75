package io.kvtier.storage;

/**
 * A stored value is not what was put.
 *
 * <p>Never leaves a store: its boundary turns it into quarantine and a miss.
 */
final class CorruptChunkException extends Exception {
    private static final long serialVersionUID = 1L;

    CorruptChunkException(StoreKey key, String where, String expected, String actual) {
        super("key=" + key + " where=" + where + " expected=" + expected + " actual=" + actual);
    }
}
