package io.kvtier.node.storage;

import io.kvtier.storage.NanoClock;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * All measurements of stores on one medium, one after the other.
 *
 * @param chunkBytes sizes of the values that are put and read whole
 * @param bytes of values by size and round
 * @param rounds of puts and gets, whose medians count
 * @param compactionBytes of the log that is compacted; 0: none is
 * @param startChunks values of the log that is started; 0: none is
 */
public record StorageBench(
        List<Integer> chunkBytes, long bytes, int rounds, long compactionBytes, int startChunks) {
    /** Copies the list. */
    public StorageBench {
        chunkBytes = List.copyOf(chunkBytes);
    }

    /**
     * Measures in a folder of its own, which is removed.
     *
     * @param parent on the medium
     * @param progress told what is being done
     */
    public List<BenchRow> run(Path parent, NanoClock clock, Consumer<String> progress)
            throws IOException, InterruptedException {
        List<BenchRow> rows = new ArrayList<>();
        try (BenchFolder folder = new BenchFolder(parent, clock)) {
            TransferBench transfers = new TransferBench(folder, bytes, rounds, progress);
            for (int size : chunkBytes) {
                rows.addAll(transfers.run(size));
            }
            if (compactionBytes > 0) {
                rows.addAll(new CompactionBench(folder, compactionBytes, progress).run());
            }
            if (startChunks > 0) {
                rows.addAll(new StartBench(folder, startChunks, progress).run());
            }
        }
        return rows;
    }
}
