package io.kvtier.storage;

/**
 * What a scrubber has read of a store since it was opened.
 *
 * @param passes over all values
 * @param values that were read and checked
 * @param bytes of their records
 * @param damaged values that did not match their checksums, and were taken out of service
 */
public record ScrubCounts(long passes, long values, long bytes, long damaged) {
    /** With another value in it. */
    public ScrubCounts withValue(long recordBytes, boolean sound) {
        return new ScrubCounts(passes, values + 1, bytes + recordBytes, damaged + (sound ? 0 : 1));
    }

    /** With another pass in it. */
    public ScrubCounts withPass() {
        return new ScrubCounts(passes + 1, values, bytes, damaged);
    }
}
