package io.kvtier.storage.log;

import io.kvtier.storage.NanoClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * How fast a medium is, measured when a store opens.
 *
 * @param writeBytesPerSecond of writes that are synced at their end
 * @param syncNanos of the sync of one page
 * @param readBytesPerSecond of what was just written, so rather of the page cache where there is
 *     one
 */
record MediumRates(double writeBytesPerSecond, long syncNanos, double readBytesPerSecond) {
    private static final int ROUNDS = 3;
    private static final int PAGE_BYTES = 4096;

    /**
     * Writes, syncs and reads a file a few times, and takes the medians.
     *
     * @param bytes of the file
     */
    static MediumRates measure(Medium medium, Path folder, int bytes, NanoClock clock)
            throws IOException {
        Path path = folder.resolve("medium.probe");
        Files.deleteIfExists(path);
        List<Long> writes = new ArrayList<>();
        List<Long> syncs = new ArrayList<>();
        List<Long> reads = new ArrayList<>();
        ByteBuffer buffer = ByteBuffer.allocateDirect(bytes);
        try (SegmentFile file = medium.create(path, 2L * bytes)) {
            for (int round = 0; round < ROUNDS; round++) {
                long start = clock.nanoTime();
                file.write(0, buffer.clear());
                file.force(0, bytes);
                long written = clock.nanoTime();
                file.write(0, buffer.clear().limit(PAGE_BYTES));
                file.force(0, PAGE_BYTES);
                long synced = clock.nanoTime();
                file.read(0, buffer.clear());
                reads.add(clock.nanoTime() - synced);
                syncs.add(synced - written);
                writes.add(written - start);
            }
        } finally {
            medium.delete(path);
        }
        return new MediumRates(
                perSecond(bytes, median(writes)), median(syncs), perSecond(bytes, median(reads)));
    }

    /** Bytes to copy between two syncs, so that these take a tenth of the time. */
    long batchBytes(long min, long max) {
        return Math.clamp((long) (10e-9 * syncNanos * writeBytesPerSecond), min, max);
    }

    private static double perSecond(long bytes, long nanos) {
        return bytes * 1e9 / Math.max(1, nanos);
    }

    private static long median(List<Long> values) {
        return values.stream().sorted().toList().get(values.size() / 2);
    }
}
