package io.kvtier.node.storage;

import io.kvtier.storage.Blob;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.BlobPoolOptions;
import io.kvtier.storage.NanoClock;
import io.kvtier.storage.Retention;
import io.kvtier.storage.RetentionOptions;
import io.kvtier.storage.RocksChunkStore;
import io.kvtier.storage.RocksStoreOptions;
import io.kvtier.storage.WritableBlob;
import io.kvtier.storage.log.LogChunkStore;
import io.kvtier.storage.log.LogStoreOptions;
import io.kvtier.storage.log.LogSurroundings;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;

/**
 * A folder of our own on the medium to be measured, and what stores in it need.
 *
 * <p>Ownership: {@link #close} deletes the folder; stores are closed before.
 */
final class BenchFolder implements AutoCloseable {
    private static final long POOL_BYTES = 256L << 20;

    private final NanoClock clock;
    private final Path folder;
    private final BlobPool pool = new BlobPool(BlobPoolOptions.ofBytesMax(POOL_BYTES));
    private final ExecutorService background =
            Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().name("kvtier-log").daemon().factory());
    private int made;

    BenchFolder(Path parent, NanoClock clock) throws IOException {
        this.clock = clock;
        this.folder = Files.createTempDirectory(parent, "kvtier-bench");
    }

    NanoClock clock() {
        return clock;
    }

    /** A new folder in it. */
    Path make(String name) throws IOException {
        return Files.createDirectory(folder.resolve(name + "-" + made++));
    }

    /** Random bytes: no file system makes less of them. The caller closes it. */
    Blob value(int bytes) {
        byte[] content = new byte[bytes];
        new SplittableRandom(bytes).nextBytes(content);
        try (WritableBlob target = pool.allocate(bytes)) {
            target.segment().copyFrom(MemorySegment.ofArray(content));
            return target.seal();
        }
    }

    LogChunkStore log(LogStoreOptions options) {
        LogSurroundings surroundings =
                new LogSurroundings(
                        clock,
                        InstantSource.system(),
                        new SplittableRandom(1),
                        background,
                        retention());
        return new LogChunkStore(pool, options, surroundings);
    }

    RocksChunkStore blob(Path path, long bytesMax) {
        RocksStoreOptions options = RocksStoreOptions.of(path, bytesMax);
        return new RocksChunkStore(pool, options, clock, InstantSource.system(), retention());
    }

    private Retention retention() {
        return Retention.inMemory(RetentionOptions.ofPinnedBytesMax(0), clock);
    }

    static void delete(Path path) throws IOException {
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(path)) {
            paths = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path each : paths) {
            Files.delete(each);
        }
    }

    @Override
    public void close() throws IOException {
        background.shutdownNow();
        pool.close();
        delete(folder);
    }
}
