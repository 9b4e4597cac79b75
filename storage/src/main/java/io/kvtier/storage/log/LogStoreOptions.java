package io.kvtier.storage.log;

import io.kvtier.storage.InvalidRequestException;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Where a {@link LogChunkStore} lives, and its limits.
 *
 * @param folder the store's own folder, made if it is missing; one process at a time
 * @param bytesMax bytes of segment files, always; the least recently used values go first
 * @param entriesMax values kept: bounds the index in memory, at 104 bytes each
 * @param segmentBytes of one file; longer records get one of their own
 * @param freeBytesMin free bytes of the disk below which puts are refused
 * @param metaCacheBytes heap bytes for the metas that were asked for last
 * @param quarantineBytesMax values set aside for inspection; beyond it they are only logged
 * @param retryAfter how long puts are refused after a failed write, before the store tries again
 * @param plainCleaner compacts one value at a time, each with a sync of its own, into the segments
 *     of new values: what batches and separation are measured against, and nothing else
 */
public record LogStoreOptions(
        Path folder,
        long bytesMax,
        int entriesMax,
        long segmentBytes,
        long freeBytesMin,
        long metaCacheBytes,
        long quarantineBytesMax,
        Duration retryAfter,
        boolean plainCleaner) {
    private static final long SEGMENT_BYTES_MIN = 64L << 10;
    private static final long SEGMENT_BYTES_MAX = 64L << 20;
    private static final int SEGMENTS = 128;

    /** Segments that only compaction may open: warm and cold copies, and deaths. */
    private static final int RESERVED_SEGMENTS = 3;

    /** From so many segments on, values are told apart by how often their keys are put. */
    private static final int SEGMENTS_FOR_CLASSES = 256;

    /** Checks that the limits fit each other. */
    public LogStoreOptions {
        if (segmentBytes < 16 << 10
                || segmentBytes > SEGMENT_BYTES_MAX
                || segmentBytes % RecordHead.ALIGN_BYTES != 0
                || bytesMax < 12 * segmentBytes
                || entriesMax < 1
                || entriesMax > Slots.COUNT_MAX
                || freeBytesMin < 0
                || metaCacheBytes < 0
                || quarantineBytesMax < 0
                || retryAfter.isNegative()) {
            throw new InvalidRequestException(
                    "log store: expected segmentBytes of 16 KiB to 64 MiB, a multiple of 512,"
                            + " bytesMax of at least 12 of them, entriesMax of 1.."
                            + Slots.COUNT_MAX
                            + ", the rest not negative, got bytesMax="
                            + bytesMax
                            + " entriesMax="
                            + entriesMax
                            + " segmentBytes="
                            + segmentBytes
                            + " freeBytesMin="
                            + freeBytesMin
                            + " metaCacheBytes="
                            + metaCacheBytes
                            + " quarantineBytesMax="
                            + quarantineBytesMax
                            + " retryAfter="
                            + retryAfter);
        }
    }

    /** A store of so many bytes with the usual limits. */
    public static LogStoreOptions of(Path folder, long bytesMax) {
        long segmentBytes =
                Math.clamp(
                        RecordHead.align(bytesMax / SEGMENTS),
                        SEGMENT_BYTES_MIN,
                        SEGMENT_BYTES_MAX);
        return new LogStoreOptions(
                folder,
                bytesMax,
                1_000_000,
                segmentBytes,
                64L << 20,
                64L << 20,
                64L << 20,
                Duration.ofSeconds(1),
                false);
    }

    /** The same with segments of another length. */
    public LogStoreOptions withSegmentBytes(long segmentBytes) {
        return new LogStoreOptions(
                folder,
                bytesMax,
                entriesMax,
                segmentBytes,
                freeBytesMin,
                metaCacheBytes,
                quarantineBytesMax,
                retryAfter,
                plainCleaner);
    }

    /** The same with another limit on the count of values. */
    public LogStoreOptions withEntriesMax(int entriesMax) {
        return new LogStoreOptions(
                folder,
                bytesMax,
                entriesMax,
                segmentBytes,
                freeBytesMin,
                metaCacheBytes,
                quarantineBytesMax,
                retryAfter,
                plainCleaner);
    }

    /** The same with the plain cleaner, for comparison. */
    public LogStoreOptions withPlainCleaner() {
        return new LogStoreOptions(
                folder,
                bytesMax,
                entriesMax,
                segmentBytes,
                freeBytesMin,
                metaCacheBytes,
                quarantineBytesMax,
                retryAfter,
                true);
    }

    /**
     * Classes of {@link Interval} that have segments of their own. Each keeps one open, which is a
     * part of the free tenth: in logs of few segments they would cost more than they bring.
     */
    int intervalClasses() {
        long segments = bytesMax / segmentBytes;
        if (plainCleaner || segments < SEGMENTS_FOR_CLASSES) {
            return 0;
        }
        return segments < 2 * SEGMENTS_FOR_CLASSES ? 2 : 4;
    }

    private long reservedSegments() {
        return (long) RESERVED_SEGMENTS + intervalClasses();
    }

    /** What compaction may need on top of what puts may fill. */
    long reserveBytes() {
        return reservedSegments() * segmentBytes;
    }

    /** Bytes of records that may live at once: nine tenths, less what is open or reserved. */
    public long liveBytesMax() {
        return Math.min(bytesMax / 10 * 9, bytesMax - (reservedSegments() + 3) * segmentBytes);
    }
}
