package io.kvtier.codec.error;

import java.time.Duration;

/** A limit (memory, disk, in-flight bytes, quota) is reached; the same request may pass later. */
public final class OverloadedException extends KvtierException {
    private static final long serialVersionUID = 1;

    private final Duration retryAfter;

    /** Takes a message that names the limit, and when a retry makes sense. */
    public OverloadedException(String message, Duration retryAfter) {
        super(message);
        this.retryAfter = retryAfter;
    }

    /** When a retry makes sense. */
    public Duration retryAfter() {
        return retryAfter;
    }
}
