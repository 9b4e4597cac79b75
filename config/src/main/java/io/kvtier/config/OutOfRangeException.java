package io.kvtier.config;

/** Thrown by a record's constructor for a value out of range; the reader adds where it stands. */
final class OutOfRangeException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final String component;

    private OutOfRangeException(String component, String message) {
        super(message);
        this.component = component;
    }

    /** Name of the record component that is out of range. */
    String component() {
        return component;
    }

    static void check(boolean holds, String component, Object got, String expected) {
        if (!holds) {
            throw new OutOfRangeException(component, "got " + got + ", expected " + expected);
        }
    }
}
