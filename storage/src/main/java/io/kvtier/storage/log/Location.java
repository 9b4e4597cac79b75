package io.kvtier.storage.log;

/**
 * Where a record lies.
 *
 * @param generation which put wrote the value; the same in every copy of it
 * @param recordBytes what it takes there
 */
record Location(long generation, Segment segment, int offset, int recordBytes) {
    /** Where it ends. */
    long end() {
        return (long) offset + recordBytes;
    }

    /** Segment and offset in one word. */
    long place() {
        return (long) segment.id() << 32 | offset;
    }
}
