package io.kvtier.storage;

import java.nio.file.Path;
import java.time.Duration;

/**
 * Where a {@link RocksChunkStore} lives, and its limits.
 *
 * @param folder the store's own folder, made if it is missing; one process at a time
 * @param bytesMax values and index bytes kept; the least recently used go first. Files may be
 *     larger for a while, until compaction gives back what was evicted
 * @param entriesMax values kept: bounds the index in memory
 * @param freeBytesMin free bytes of the disk below which puts are refused
 * @param memtableBytes written bytes that are buffered in memory before they become a file
 * @param openFilesMax file descriptors for data files
 * @param quarantineBytesMax values set aside for inspection; beyond it they are only logged
 * @param retryAfter how long puts are refused after a failed write, before the store tries again
 */
public record RocksStoreOptions(
        Path folder,
        long bytesMax,
        long entriesMax,
        long freeBytesMin,
        long memtableBytes,
        int openFilesMax,
        long quarantineBytesMax,
        Duration retryAfter) {
    /** Checks that the limits are positive. */
    public RocksStoreOptions {
        if (bytesMax < 1
                || entriesMax < 1
                || freeBytesMin < 0
                || memtableBytes < 64 << 10
                || openFilesMax < 16
                || quarantineBytesMax < 0
                || retryAfter.isNegative()) {
            throw new InvalidRequestException(
                    "rocks store: expected bytesMax and entriesMax of at least 1, memtableBytes of"
                            + " at least 65536, openFilesMax of at least 16, the rest not"
                            + " negative, got bytesMax="
                            + bytesMax
                            + " entriesMax="
                            + entriesMax
                            + " freeBytesMin="
                            + freeBytesMin
                            + " memtableBytes="
                            + memtableBytes
                            + " openFilesMax="
                            + openFilesMax
                            + " quarantineBytesMax="
                            + quarantineBytesMax
                            + " retryAfter="
                            + retryAfter);
        }
    }

    /** A store of so many bytes with the usual limits. */
    public static RocksStoreOptions of(Path folder, long bytesMax) {
        return new RocksStoreOptions(
                folder,
                bytesMax,
                1_000_000,
                64L << 20,
                64L << 20,
                512,
                64L << 20,
                Duration.ofSeconds(1));
    }

    /** The same with other limits on the count of values. */
    public RocksStoreOptions withEntriesMax(long entriesMax) {
        return new RocksStoreOptions(
                folder,
                bytesMax,
                entriesMax,
                freeBytesMin,
                memtableBytes,
                openFilesMax,
                quarantineBytesMax,
                retryAfter);
    }
}
