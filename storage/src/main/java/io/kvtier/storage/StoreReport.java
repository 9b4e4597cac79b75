package io.kvtier.storage;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * What a check of a store on disk found, byte by byte, without changing anything.
 *
 * @param folder of the store
 * @param layout as its marker says: {@code log 1} or {@code rocks 1}
 * @param files that were read
 * @param bytes that were read
 * @param values that count and are sound
 * @param valueBytes of these
 * @param dead records that do not count any more, sound or not
 * @param tornBytes behind the last whole record of files that were not closed: nothing that was
 *     acknowledged
 * @param damaged findings, listed or not
 * @param findings the first {@link #FINDINGS_MAX}
 */
public record StoreReport(
        String folder,
        String layout,
        long files,
        long bytes,
        long values,
        long valueBytes,
        long dead,
        long tornBytes,
        long damaged,
        List<Finding> findings) {
    /** Findings that are listed. */
    public static final int FINDINGS_MAX = 1000;

    /**
     * Bytes that are not as they should be.
     *
     * @param file in which they lie, or the database
     * @param offset where the record, or whatever it is, starts; -1 inside a database
     * @param key scope ‖ key of the chunk, in hex; empty where none is known
     * @param counts whether a chunk is lost by it; else the store does without these bytes
     * @param what was expected, and what is there
     */
    public record Finding(String file, long offset, String key, boolean counts, String what) {}

    /** Copies the list. */
    public StoreReport {
        findings = List.copyOf(findings);
    }

    /** Scope ‖ key in hex, as findings name it. */
    public static String hex(StoreKey key) {
        ByteBuffer bytes = ByteBuffer.allocate(StoreKey.BYTES);
        key.write(bytes);
        return HexFormat.of().formatHex(bytes.array());
    }

    /** Whether every byte is as it should be. */
    public boolean isSound() {
        return damaged == 0;
    }

    /** Counts while a check goes on. One thread. */
    public static final class Builder {
        private final String folder;
        private final String layout;
        private final List<Finding> findings = new ArrayList<>();
        private long files;
        private long bytes;
        private long values;
        private long valueBytes;
        private long dead;
        private long tornBytes;
        private long damaged;

        /** Nothing found yet. */
        public Builder(String folder, String layout) {
            this.folder = folder;
            this.layout = layout;
        }

        /** Counts a file. */
        public void addFile(long fileBytes) {
            files++;
            bytes += fileBytes;
        }

        /** Counts a sound value. */
        public void addValue(long count) {
            values++;
            valueBytes += count;
        }

        /** Counts a record that does not count. */
        public void addDead() {
            dead++;
        }

        /** Counts a torn end. */
        public void addTorn(long count) {
            tornBytes += count;
        }

        /** Counts damage. */
        public void add(Finding finding) {
            damaged++;
            if (findings.size() < FINDINGS_MAX) {
                findings.add(finding);
            }
        }

        /** What was found. */
        public StoreReport build() {
            return new StoreReport(
                    folder,
                    layout,
                    files,
                    bytes,
                    values,
                    valueBytes,
                    dead,
                    tornBytes,
                    damaged,
                    findings);
        }
    }
}
