package io.kvtier.storage.log;

/** The budget does not allow another segment: compaction has to give back one first. */
final class NoRoomException extends Exception {
    private static final long serialVersionUID = 1L;

    NoRoomException(String message) {
        super(message);
    }
}
