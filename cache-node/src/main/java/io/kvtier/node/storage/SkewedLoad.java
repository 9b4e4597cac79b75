package io.kvtier.node.storage;

import io.kvtier.storage.NanoClock;
import io.kvtier.storage.log.LogChunkStore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/**
 * A store whose values are asked for, or replaced, by Zipf's law with exponent 0.99, as in YCSB
 * (Cooper et al., SoCC 2010) and Pacman's own evaluation; ranks and the order of the first puts
 * have nothing in common. Counts what it did since {@link #startOver}.
 *
 * <p>Thread-safety: one thread, and another one for {@link #readUntil}.
 */
final class SkewedLoad implements AutoCloseable {
    private static final double ZIPF_EXPONENT = 0.99;
    private static final long TURN_NANOS_MAX = 30_000_000_000L;

    private final String name;
    private final NanoClock clock;
    private final LogChunkStore store;
    private final StoreTarget target;
    private final int chunkBytes;
    private final int[] numbers;
    private final double[] chances;
    private final SplittableRandom random = new SplittableRandom(7);
    private int version;
    private long putBytes;
    private long asked;
    private long hits;
    private long nanos;
    private long writtenBefore;

    /**
     * @param target over the store; closed with this
     * @param count of values
     */
    SkewedLoad(
            String name,
            NanoClock clock,
            LogChunkStore store,
            StoreTarget target,
            int chunkBytes,
            int count) {
        this.name = name;
        this.clock = clock;
        this.store = store;
        this.target = target;
        this.chunkBytes = chunkBytes;
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

    private int next() {
        int last = chances.length - 1;
        int found = Arrays.binarySearch(chances, random.nextDouble() * chances[last]);
        return numbers[Math.min(found < 0 ? -found - 1 : found, last)];
    }

    /** Puts every value once. */
    void fill() {
        for (int number = 0; number < numbers.length; number++) {
            target.put(number, 0, false);
        }
    }

    void startOver() {
        putBytes = 0;
        asked = 0;
        hits = 0;
        nanos = 0;
        writtenBefore = store.traffic().written();
    }

    /** Replaces values, at no more than this rate if it is not 0. */
    void overwrite(long bytes, double megabytesPerSecond) {
        long start = clock.nanoTime();
        long done = 0;
        while (done < bytes && clock.nanoTime() - start < TURN_NANOS_MAX) {
            target.put(next(), ++version, false);
            done += chunkBytes;
            if (megabytesPerSecond > 0) {
                long due = (long) (done * 1e3 / megabytesPerSecond);
                long early = due - (clock.nanoTime() - start);
                if (early > 0) {
                    LockSupport.parkNanos(early);
                }
            }
        }
        putBytes += done;
        nanos += clock.nanoTime() - start;
    }

    /** As a cache is used: asks for values, and puts those that are missing. */
    void askAndPut(long bytes) {
        long start = clock.nanoTime();
        long done = 0;
        while (done < bytes && clock.nanoTime() - start < TURN_NANOS_MAX) {
            int number = next();
            asked++;
            if (target.getIfHeld(number)) {
                hits++;
            } else {
                target.put(number, 0, false);
                done += chunkBytes;
            }
        }
        putBytes += done;
        nanos += clock.nanoTime() - start;
    }

    /** The 99th percentile of reads until then, in ms; every value is asked for as often. */
    double readUntil(AtomicBoolean stop) {
        SplittableRandom order = new SplittableRandom(8);
        List<Long> times = new ArrayList<>();
        while (!stop.get()) {
            long start = clock.nanoTime();
            target.get(order.nextInt(numbers.length));
            times.add(clock.nanoTime() - start);
            LockSupport.parkNanos(200_000);
        }
        times.sort(null);
        return times.get(times.size() * 99 / 100) / 1e6;
    }

    double megabytesPerSecond() {
        return putBytes * 1e3 / nanos;
    }

    double writeAmplification() {
        return (double) (store.traffic().written() - writtenBefore) / putBytes;
    }

    /** Of a load that only replaces: nothing may have been evicted. */
    BenchRow row() {
        long evicted = store.stats().evicted();
        if (evicted > 0) {
            throw new IllegalStateException(name + ": " + evicted + " values were evicted");
        }
        return BenchRow.rate("log", name, chunkBytes, megabytesPerSecond(), writeAmplification());
    }

    /** Of {@link #askAndPut}. */
    BenchRow rowWithHits() {
        return BenchRow.rate("log", name, chunkBytes, megabytesPerSecond(), writeAmplification())
                .withHitRatio((double) hits / asked);
    }

    @Override
    public void close() {
        target.close();
    }
}
