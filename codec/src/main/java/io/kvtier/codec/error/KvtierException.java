package io.kvtier.codec.error;

/**
 * A failure that a caller can tell apart by type: fix the request, retry later, go elsewhere, or
 * treat the chunk as a miss. Messages say what was got, what was expected and where.
 */
public abstract sealed class KvtierException extends RuntimeException
        permits InvalidRequestException,
                AccessDeniedException,
                OverloadedException,
                CorruptChunkException,
                UnavailableException {
    private static final long serialVersionUID = 1;

    KvtierException(String message) {
        super(message);
    }

    KvtierException(String message, Throwable cause) {
        super(message, cause);
    }
}
