package io.kvtier.codec.error;

/** The caller's fault: a retry of the same request fails in the same way. */
public final class InvalidRequestException extends KvtierException {
    private static final long serialVersionUID = 1;

    /** Takes a message that names the field, what was got and what was expected. */
    public InvalidRequestException(String message) {
        super(message);
    }

    /**
     * Throws unless {@code holds}, with "{@code what} is {@code got}, expected {@code expected}".
     */
    public static void check(boolean holds, String what, Object got, Object expected) {
        if (!holds) {
            throw new InvalidRequestException(what + " is " + got + ", expected " + expected);
        }
    }
}
