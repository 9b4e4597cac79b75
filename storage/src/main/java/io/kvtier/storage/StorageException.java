package io.kvtier.storage;

import org.jspecify.annotations.Nullable;

/**
 * A call that the store could not serve, for a reason its caller has to know.
 *
 * <p>Expected outcomes (a miss, a value that is there already) are values, never exceptions; what a
 * store finds corrupt is a miss. The subtypes say what the caller may do next.
 */
public abstract sealed class StorageException extends RuntimeException
        permits InvalidRequestException, OverloadedException, UnavailableException {
    private static final long serialVersionUID = 1L;

    StorageException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
