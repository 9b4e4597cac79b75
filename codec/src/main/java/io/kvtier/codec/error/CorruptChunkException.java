package io.kvtier.codec.error;

/**
 * Bytes are not what they claim to be: a checksum, a length or a table is wrong. The chunk is a
 * miss; its bytes are never used.
 */
public final class CorruptChunkException extends KvtierException {
    private static final long serialVersionUID = 1;

    /** Takes where in the bytes, what was expected there and what was found. */
    public CorruptChunkException(String where, Object expected, Object actual) {
        super(where + " is " + actual + ", expected " + expected);
    }

    /** Takes a message that another node wrote. */
    public CorruptChunkException(String message) {
        super(message);
    }

    /** Throws unless {@code holds}. */
    public static void check(boolean holds, String where, Object expected, Object actual) {
        if (!holds) {
            throw new CorruptChunkException(where, expected, actual);
        }
    }
}
