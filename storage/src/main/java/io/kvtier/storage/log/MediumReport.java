package io.kvtier.storage.log;

import io.kvtier.storage.NanoClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a log would find on a medium: how it would use it, and how fast that is.
 *
 * @param kind {@code file} or {@code persistent memory}
 * @param writeMegabytesPerSecond of writes that are synced at their end
 * @param readMegabytesPerSecond of what was just written, so of the page cache where there is one
 * @param syncMicros of the sync of one page
 * @param batchBytes that compaction would copy between two syncs
 */
public record MediumReport(
        String kind,
        double writeMegabytesPerSecond,
        double readMegabytesPerSecond,
        double syncMicros,
        long batchBytes) {
    /**
     * Measures as a store does when it opens, with a file of its own that is removed afterwards.
     *
     * @param folder is there and may be written
     * @param bytes of the file
     */
    public static MediumReport measure(Path folder, int bytes, NanoClock clock) throws IOException {
        Path own = Files.createTempDirectory(folder, "kvtier-media");
        try {
            Medium medium = LogEngine.mediumOf(own);
            MediumRates rates = MediumRates.measure(medium, own, bytes, clock);
            return new MediumReport(
                    medium.name(),
                    rates.writeBytesPerSecond() / 1e6,
                    rates.readBytesPerSecond() / 1e6,
                    rates.syncNanos() / 1e3,
                    rates.batchBytes(Pace.BATCH_BYTES_MIN, Pace.BATCH_BYTES_MAX));
        } finally {
            Files.delete(own);
        }
    }
}
