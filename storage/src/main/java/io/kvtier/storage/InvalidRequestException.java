package io.kvtier.storage;

/** The request itself is wrong: sending it again cannot help. */
public final class InvalidRequestException extends StorageException {
    private static final long serialVersionUID = 1L;

    /**
     * @param message what was got, what was expected, and the name of the limit if there is one
     */
    public InvalidRequestException(String message) {
        super(message, null);
    }
}
