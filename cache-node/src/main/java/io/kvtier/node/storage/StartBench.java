package io.kvtier.node.storage;

import io.kvtier.storage.Blob;
import io.kvtier.storage.log.LogChunkStore;
import io.kvtier.storage.log.LogStoreOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * How long a log of many values takes from the call to the first value read, with its index and
 * without, nothing of it in the page cache; and what its index takes in memory.
 */
final class StartBench {
    private static final int CHUNK_BYTES = 4096;
    private static final long SEGMENT_BYTES = 1L << 20;

    private final BenchFolder folder;
    private final int count;
    private final Consumer<String> progress;

    StartBench(BenchFolder folder, int count, Consumer<String> progress) {
        this.folder = folder;
        this.count = count;
        this.progress = progress;
    }

    List<BenchRow> run() throws IOException {
        Path path = folder.make("start");
        long bytesMax = Math.max(64L << 20, 2L * count * (CHUNK_BYTES + 1024));
        LogStoreOptions options =
                LogStoreOptions.of(path, bytesMax).withSegmentBytes(SEGMENT_BYTES);
        List<BenchRow> rows = new ArrayList<>();
        try (Blob value = folder.value(CHUNK_BYTES)) {
            progress.accept("start, filled with " + count + " values");
            try (Target target = new StoreTarget(folder.log(options), value)) {
                for (int number = 0; number < count; number++) {
                    target.put(number, 0, false);
                }
            }
            for (int round = 0; round < 3; round++) {
                rows.add(start("start", options, path, value));
            }
            BenchFolder.delete(path.resolve("index"));
            rows.add(start("startWithoutIndex", options, path, value));
        }
        return rows;
    }

    private BenchRow start(String op, LogStoreOptions options, Path path, Blob value)
            throws IOException {
        progress.accept(op);
        PageCache.forget(path);
        long start = folder.clock().nanoTime();
        try (LogChunkStore store = folder.log(options)) {
            new StoreTarget(store, value).get(count / 2);
            double millis = (folder.clock().nanoTime() - start) / 1e6;
            long entries = store.stats().entries();
            if (entries != count) {
                throw new IllegalStateException(entries + " of " + count + " values came back");
            }
            return BenchRow.start(op, CHUNK_BYTES, millis, (double) store.indexBytes() / count);
        }
    }
}
