package io.kvtier.storage;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** A limit of this node is reached (memory, disk): the same request may succeed later. */
public final class OverloadedException extends StorageException {
    private static final long serialVersionUID = 1L;

    private final Duration retryAfter;

    /**
     * @param message what was asked, and the limit that is reached, by name
     * @param retryAfter how long to wait before asking again
     */
    public OverloadedException(String message, Duration retryAfter) {
        this(message, retryAfter, null);
    }

    /** The same with what made us see it. */
    public OverloadedException(String message, Duration retryAfter, @Nullable Throwable cause) {
        super(message, cause);
        this.retryAfter = retryAfter;
    }

    /** How long to wait before asking again. */
    public Duration retryAfter() {
        return retryAfter;
    }
}
