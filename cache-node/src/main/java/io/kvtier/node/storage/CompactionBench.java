package io.kvtier.node.storage;

import io.kvtier.storage.Blob;
import io.kvtier.storage.log.LogChunkStore;
import io.kvtier.storage.log.LogStoreOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/**
 * A log that is nine tenths full of what lives, under a skewed load: which value a put replaces
 * follows Zipf's law with exponent 0.99, as in YCSB (Cooper et al., SoCC 2010) and Pacman's own
 * evaluation; ranks and the order of the first puts have nothing in common. Compaction has to make
 * room for every put.
 *
 * <p>The batched, separated cleaner and the plain one take turns, half by half. Another run has a
 * reader beside the puts, in a log where compaction has to work and in one with room for all puts,
 * which come at the same rate.
 */
final class CompactionBench {
    private static final int SEGMENTS = 128;
    private static final int SEGMENT_CHUNKS = 32;
    private static final double ZIPF_EXPONENT = 0.99;
    private static final double UTILIZATION = 0.9;
    private static final long TURN_NANOS_MAX = 60_000_000_000L;

    private final BenchFolder folder;
    private final long bytesMax;
    private final long segmentBytes;
    private final int chunkBytes;
    private final Consumer<String> progress;

    CompactionBench(BenchFolder folder, long bytesMax, Consumer<String> progress) {
        this.folder = folder;
        this.bytesMax = bytesMax;
        this.segmentBytes = bytesMax / SEGMENTS / 4096 * 4096;
        this.chunkBytes = (int) (segmentBytes / SEGMENT_CHUNKS);
        this.progress = progress;
    }

    List<BenchRow> run() throws IOException, InterruptedException {
        List<BenchRow> rows = new ArrayList<>();
        try (Blob value = folder.value(chunkBytes)) {
            try (Load usual = new Load("overwrite", options("usual", bytesMax), value);
                    Load plain =
                            new Load(
                                    "overwritePlainCleaner",
                                    options("plain", bytesMax).withPlainCleaner(),
                                    value)) {
                List<Load> loads = List.of(usual, plain);
                for (Load load : loads) {
                    load.fill();
                    load.overwrite(bytesMax / 2, 0);
                    load.startOver();
                }
                for (int half = 0; half < 2; half++) {
                    for (Load load : half == 0 ? loads : loads.reversed()) {
                        load.overwrite(bytesMax / 4, 0);
                    }
                }
                rows.add(usual.row());
                rows.add(plain.row());
                rows.add(readWhile(usual, "getWhileCompacting", 0));
            }
            double rate = rate(rows.getLast());
            try (Load roomy = new Load("room", options("roomy", 4 * bytesMax), value)) {
                roomy.fill();
                rows.add(readWhile(roomy, "getWithoutCompaction", rate));
            }
        }
        return rows;
    }

    private LogStoreOptions options(String name, long limit) throws IOException {
        return LogStoreOptions.of(folder.make(name), limit).withSegmentBytes(segmentBytes);
    }

    /** Reads as fast as it can while values are replaced; the rate is that of the puts. */
    private BenchRow readWhile(Load load, String op, double megabytesPerSecond)
            throws IOException, InterruptedException {
        progress.accept(op);
        AtomicBoolean stop = new AtomicBoolean();
        try (ExecutorService reader = Executors.newSingleThreadExecutor()) {
            Future<Double> p99 = reader.submit(() -> load.readUntil(stop));
            load.startOver();
            try {
                load.overwrite(bytesMax / 4, megabytesPerSecond);
            } finally {
                stop.set(true);
            }
            BenchRow row = load.row();
            return BenchRow.rate("log", op, chunkBytes, rate(row), row.writeAmplification())
                    .withP99Millis(p99.get());
        } catch (ExecutionException e) {
            throw new IllegalStateException("the reader failed", e);
        }
    }

    private static double rate(BenchRow row) {
        Double rate = row.megabytesPerSecond();
        return rate == null ? 0 : rate;
    }

    /** A store under load, and what it did since the measurement started. */
    private final class Load implements AutoCloseable {
        private final String name;
        private final LogChunkStore store;
        private final StoreTarget target;
        private final int count;
        private final int[] numbers;
        private final double[] chances;
        private final SplittableRandom random = new SplittableRandom(7);
        private int version;
        private long putBytes;
        private long nanos;
        private long writtenBefore;

        Load(String name, LogStoreOptions options, Blob value) {
            this.name = name;
            store = folder.log(options);
            target = new StoreTarget(store, value);
            long room = Math.min(options.liveBytesMax(), (long) (UTILIZATION * bytesMax));
            count = (int) (room / (chunkBytes + 1024)) - 1;
            numbers = new int[count];
            chances = new double[count];
            double sum = 0;
            for (int rank = 0; rank < count; rank++) {
                int other = random.nextInt(rank + 1);
                numbers[rank] = numbers[other];
                numbers[other] = rank;
                sum += Math.pow(rank + 1, -ZIPF_EXPONENT);
                chances[rank] = sum;
            }
        }

        /** A value by Zipf's law. */
        private int next() {
            int found = Arrays.binarySearch(chances, random.nextDouble() * chances[count - 1]);
            return numbers[Math.min(found < 0 ? -found - 1 : found, count - 1)];
        }

        void fill() {
            progress.accept(name + ", filled with " + count + " values");
            for (int number = 0; number < count; number++) {
                target.put(number, 0, false);
            }
        }

        void startOver() {
            putBytes = 0;
            nanos = 0;
            writtenBefore = store.traffic().written();
        }

        /** Replaces values, at no more than this rate if it is not 0. */
        void overwrite(long bytes, double megabytesPerSecond) {
            progress.accept(name + ", replaced " + bytes / 1_000_000 + " MB");
            long start = folder.clock().nanoTime();
            long done = 0;
            while (done < bytes && folder.clock().nanoTime() - start < TURN_NANOS_MAX) {
                target.put(next(), ++version, false);
                done += chunkBytes;
                if (megabytesPerSecond > 0) {
                    long due = (long) (done * 1e3 / megabytesPerSecond);
                    long early = due - (folder.clock().nanoTime() - start);
                    if (early > 0) {
                        LockSupport.parkNanos(early);
                    }
                }
            }
            putBytes += done;
            nanos += folder.clock().nanoTime() - start;
        }

        /** The 99th percentile of reads, in ms. */
        double readUntil(AtomicBoolean stop) {
            SplittableRandom order = new SplittableRandom(8);
            List<Long> times = new ArrayList<>();
            while (!stop.get()) {
                long start = folder.clock().nanoTime();
                target.get(order.nextInt(count));
                times.add(folder.clock().nanoTime() - start);
                LockSupport.parkNanos(200_000);
            }
            times.sort(null);
            return times.get(times.size() * 99 / 100) / 1e6;
        }

        BenchRow row() {
            long evicted = store.stats().evicted();
            if (evicted > 0) {
                throw new IllegalStateException(name + ": " + evicted + " values were evicted");
            }
            double written = store.traffic().written() - writtenBefore;
            return BenchRow.rate(
                    "log", name, chunkBytes, putBytes * 1e3 / nanos, written / putBytes);
        }

        @Override
        public void close() {
            target.close();
        }
    }
}
