package io.kvtier.codec.error;

/** The node cannot answer now (down, unreachable, out of time): another one may. */
public final class UnavailableException extends KvtierException {
    private static final long serialVersionUID = 1;

    /** Takes a message that names the node. */
    public UnavailableException(String message) {
        super(message);
    }

    /** Takes a message that names the node, and what lay behind it. */
    public UnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
