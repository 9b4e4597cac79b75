package io.kvtier.config;

/**
 * A configuration that cannot be used. The message names the file, line and column, the path of the
 * key, what was got, what was expected and, for an unknown key, the nearest known one.
 */
public final class ConfigException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** Takes the whole message. */
    public ConfigException(String message) {
        super(message);
    }

    ConfigException(String message, Throwable cause) {
        super(message, cause);
    }
}
