package io.kvtier.codec.error;

/** Who asks may not: no credential, a wrong one, or one without the role. */
public final class AccessDeniedException extends KvtierException {
    private static final long serialVersionUID = 1;

    /** Takes a message that does not tell what exists. */
    public AccessDeniedException(String message) {
        super(message);
    }
}
