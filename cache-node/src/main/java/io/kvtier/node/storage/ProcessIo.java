package io.kvtier.node.storage;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** What Linux counts of a process's traffic with its disks. */
final class ProcessIo {
    private static final Path COUNTERS = Path.of("/proc/self/io");

    private ProcessIo() {}

    /** Bytes that this process caused to be written to a disk; null if nobody counts. */
    static @Nullable Long writtenBytes() throws IOException {
        if (!Files.isReadable(COUNTERS)) {
            return null;
        }
        return Files.readAllLines(COUNTERS).stream()
                .filter(line -> line.startsWith("write_bytes: "))
                .map(line -> Long.valueOf(line.substring(line.indexOf(' ') + 1)))
                .findFirst()
                .orElse(null);
    }

    /** Written since then by a byte of values; null if nobody counts, as of a file in memory. */
    static @Nullable Double amplification(@Nullable Long before, double valueBytes)
            throws IOException {
        Long now = writtenBytes();
        return before == null || now == null || now - before < valueBytes / 2
                ? null
                : (now - before) / valueBytes;
    }
}
