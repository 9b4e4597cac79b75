package io.kvtier.node.storage;

import io.kvtier.storage.Blob;
import io.kvtier.storage.log.LogChunkStore;
import io.kvtier.storage.log.LogStoreOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/**
 * A log that is nine tenths full of what lives, under a {@link SkewedLoad}. Compaction has to make
 * room for every put.
 *
 * <p>Values are replaced, by the batched, separated cleaner and by the plain one in turns, half by
 * half. Then as in a cache: four times as many values as fit are asked for, the missing ones put.
 * Then a reader beside puts at half the rate that was measured, in the log where compaction has to
 * work and in one with room for all puts, in turns: medians of the rounds.
 */
final class CompactionBench {
    private static final long SEGMENTS_MIN = 128;
    private static final long SEGMENTS_MAX = 1024;
    private static final int SEGMENT_CHUNKS = 32;
    private static final double UTILIZATION = 0.9;
    private static final int READ_ROUNDS = 3;

    private final BenchFolder folder;
    private final long bytesMax;
    private final long segmentBytes;
    private final int chunkBytes;
    private final Consumer<String> progress;

    CompactionBench(BenchFolder folder, long bytesMax, Consumer<String> progress) {
        this.folder = folder;
        this.bytesMax = bytesMax;
        long segments = Math.clamp(bytesMax >> 20, SEGMENTS_MIN, SEGMENTS_MAX);
        this.segmentBytes = bytesMax / segments / 4096 * 4096;
        this.chunkBytes = (int) (segmentBytes / SEGMENT_CHUNKS);
        this.progress = progress;
    }

    List<BenchRow> run() throws IOException, InterruptedException {
        List<BenchRow> rows = new ArrayList<>();
        try (Blob value = folder.value(chunkBytes)) {
            try (SkewedLoad usual = load("overwrite", options("usual", bytesMax), value, 1)) {
                try (SkewedLoad plain =
                        load(
                                "overwritePlainCleaner",
                                options("plain", bytesMax).withPlainCleaner(),
                                value,
                                1)) {
                    overwrite(List.of(usual, plain));
                    add(rows, usual.row());
                    add(rows, plain.row());
                }
                try (SkewedLoad cache = load("askAndPut", options("cache", bytesMax), value, 4)) {
                    progress.accept("as a cache");
                    cache.askAndPut(2 * bytesMax);
                    cache.startOver();
                    cache.askAndPut(bytesMax);
                    add(rows, cache.rowWithHits());
                }
                rows.addAll(read(usual, value));
            }
        }
        return rows;
    }

    /** Also said at once: the whole takes long. */
    private void add(List<BenchRow> rows, BenchRow row) {
        progress.accept(row.toString());
        rows.add(row);
    }

    private void overwrite(List<SkewedLoad> loads) {
        for (SkewedLoad load : loads) {
            progress.accept("filled");
            load.fill();
            progress.accept("replaced, until it has settled");
            for (int turn = 0; turn < 4; turn++) {
                load.overwrite(bytesMax / 2, 0);
            }
            load.startOver();
        }
        for (int half = 0; half < 2; half++) {
            for (SkewedLoad load : half == 0 ? loads : loads.reversed()) {
                progress.accept("replaced, half " + half);
                load.overwrite(bytesMax / 2, 0);
            }
        }
    }

    private List<BenchRow> read(SkewedLoad usual, Blob value)
            throws IOException, InterruptedException {
        double rate = usual.megabytesPerSecond() / 2;
        List<Double> compacting = new ArrayList<>();
        List<Double> roomy = new ArrayList<>();
        List<Double> amplifications = new ArrayList<>();
        try (SkewedLoad room = load("room", options("roomy", 4 * bytesMax), value, 1)) {
            room.fill();
            for (int round = 0; round < READ_ROUNDS; round++) {
                progress.accept("read beside puts, round " + round);
                roomy.add(readWhile(room, rate));
                compacting.add(readWhile(usual, rate));
                amplifications.add(usual.writeAmplification());
            }
        }
        return List.of(
                BenchRow.rate(
                                "log",
                                "getWhileCompacting",
                                chunkBytes,
                                rate,
                                TransferBench.median(amplifications))
                        .withP99Millis(TransferBench.median(compacting)),
                BenchRow.rate("log", "getWithoutCompaction", chunkBytes, rate, null)
                        .withP99Millis(TransferBench.median(roomy)));
    }

    /** The 99th percentile of reads, as fast as they come, while values are replaced. */
    private double readWhile(SkewedLoad load, double megabytesPerSecond)
            throws InterruptedException {
        AtomicBoolean stop = new AtomicBoolean();
        try (ExecutorService reader = Executors.newSingleThreadExecutor()) {
            Future<Double> p99 = reader.submit(() -> load.readUntil(stop));
            load.startOver();
            try {
                load.overwrite(bytesMax / 4, megabytesPerSecond);
            } finally {
                stop.set(true);
            }
            return p99.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException("the reader failed", e);
        }
    }

    private LogStoreOptions options(String name, long limit) throws IOException {
        return LogStoreOptions.of(folder.make(name), limit).withSegmentBytes(segmentBytes);
    }

    /** As many values as may live, or times as many. */
    private SkewedLoad load(String name, LogStoreOptions options, Blob value, int times) {
        LogChunkStore store = folder.log(options);
        long room = Math.min(options.liveBytesMax(), (long) (UTILIZATION * bytesMax));
        int count = (int) (room / (chunkBytes + 1024)) - 1;
        return new SkewedLoad(
                name,
                folder.clock(),
                store,
                new StoreTarget(store, value),
                chunkBytes,
                times * count);
    }
}
