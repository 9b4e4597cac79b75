package io.kvtier.node.storage;

import io.kvtier.storage.Blob;
import io.kvtier.storage.log.LogStoreOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Puts and gets of whole values: a raw file, the log and blob files take turns, and which is first
 * changes from round to round. Medians of the rounds.
 *
 * <p>A put counts until all values are durable, the close of the store included. A cold get follows
 * a {@link PageCache#forget}, a cached one reads the same values again. All gets check a CRC32C.
 */
final class TransferBench {
    private static final List<String> LAYOUTS = List.of("raw", "log", "blob");

    private final BenchFolder folder;
    private final long bytes;
    private final int rounds;
    private final Consumer<String> progress;
    private final Map<String, List<Double>> rates = new LinkedHashMap<>();
    private final Map<String, List<Double>> amplifications = new LinkedHashMap<>();

    TransferBench(BenchFolder folder, long bytes, int rounds, Consumer<String> progress) {
        this.folder = folder;
        this.bytes = bytes;
        this.rounds = rounds;
        this.progress = progress;
    }

    List<BenchRow> run(int chunkBytes) throws IOException {
        rates.clear();
        amplifications.clear();
        int count = (int) Math.max(4, bytes / chunkBytes);
        try (Blob value = folder.value(chunkBytes)) {
            for (int round = 0; round < rounds; round++) {
                List<String> order = new ArrayList<>(LAYOUTS);
                Collections.rotate(order, round);
                for (String layout : order) {
                    progress.accept(layout + ", chunks of " + chunkBytes + ", round " + round);
                    measure(layout, value, count);
                }
            }
        }
        List<BenchRow> rows = new ArrayList<>();
        for (String op : List.of("put", "putSynced", "getCold", "getCached")) {
            for (String layout : LAYOUTS) {
                String name = layout + " " + op;
                rows.add(
                        BenchRow.rate(
                                layout, op, chunkBytes, median(rates, name), amplification(name)));
            }
        }
        return rows;
    }

    private void measure(String layout, Blob value, int count) throws IOException {
        int few = Math.max(4, count / 4);
        Path synced = folder.make(layout);
        fill(layout, "putSynced", synced, value, few);
        BenchFolder.delete(synced);
        Path path = folder.make(layout);
        fill(layout, "put", path, value, count);
        if (!layout.equals("raw")) {
            try (Target target = open(layout, path, value, count)) {
                read(layout, path, target, value, count);
            }
        }
        BenchFolder.delete(path);
    }

    private void fill(String layout, String op, Path path, Blob value, int count)
            throws IOException {
        Target target = open(layout, path, value, count);
        Long before = ProcessIo.writtenBytes();
        long start = folder.clock().nanoTime();
        try {
            for (int number = 0; number < count; number++) {
                target.put(number, 0, op.equals("putSynced"));
            }
        } finally {
            if (!layout.equals("raw")) {
                target.close();
            }
        }
        if (target instanceof RawTarget raw) {
            raw.sync();
        }
        double valueBytes = (double) count * value.bytes();
        add(rates, layout + " " + op, valueBytes * 1e3 / (folder.clock().nanoTime() - start));
        Double amplification = ProcessIo.amplification(before, valueBytes);
        if (amplification != null) {
            add(amplifications, layout + " " + op, amplification);
        }
        if (target instanceof RawTarget raw) {
            if (op.equals("put")) {
                read(layout, path, raw, value, count);
            }
            raw.close();
        }
    }

    private void read(String layout, Path path, Target target, Blob value, int count)
            throws IOException {
        List<Integer> order = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            order.add(number);
        }
        Collections.shuffle(order, Random.from(new SplittableRandom(count)));
        for (String op : List.of("getCold", "getCached")) {
            if (op.equals("getCold")) {
                PageCache.forget(path);
            }
            long start = folder.clock().nanoTime();
            for (int number : order) {
                target.get(number);
            }
            double valueBytes = (double) count * value.bytes();
            add(rates, layout + " " + op, valueBytes * 1e3 / (folder.clock().nanoTime() - start));
        }
    }

    /** Room for twice the values: nothing is compacted or evicted. */
    private Target open(String layout, Path path, Blob value, int count) {
        long bytesMax = Math.max(4L << 30, 2L * count * (value.bytes() + 4096));
        LogStoreOptions options = LogStoreOptions.of(path, bytesMax);
        return switch (layout) {
            case "raw" -> new RawTarget(path, value, options.segmentBytes());
            case "log" -> new StoreTarget(folder.log(options), value);
            default -> new StoreTarget(folder.blob(path, bytesMax), value);
        };
    }

    private static void add(Map<String, List<Double>> target, String name, double value) {
        target.computeIfAbsent(name, n -> new ArrayList<>()).add(value);
    }

    private @Nullable Double amplification(String name) {
        return amplifications.containsKey(name) ? median(amplifications, name) : null;
    }

    private static double median(Map<String, List<Double>> of, String name) {
        return median(of.getOrDefault(name, List.of(Double.NaN)));
    }

    static double median(List<Double> of) {
        List<Double> sorted = of.stream().sorted().toList();
        int middle = sorted.size() / 2;
        return sorted.size() % 2 == 1
                ? sorted.get(middle)
                : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
    }
}
