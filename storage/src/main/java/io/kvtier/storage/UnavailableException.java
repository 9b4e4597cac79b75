package io.kvtier.storage;

import org.jspecify.annotations.Nullable;

/** The store cannot serve at all (closed, folder missing, failing disk): ask another node. */
public final class UnavailableException extends StorageException {
    private static final long serialVersionUID = 1L;

    /**
     * @param message what failed, and what to do about it
     */
    public UnavailableException(String message) {
        this(message, null);
    }

    /** The same with what made us see it. */
    public UnavailableException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
