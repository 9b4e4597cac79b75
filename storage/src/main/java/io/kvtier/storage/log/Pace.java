package io.kvtier.storage.log;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;

/**
 * How fast compaction may go beside reads and puts.
 *
 * <p>While no put waits for room it takes half of the medium's rate, in batches small enough that a
 * read never queues behind a long sync; while one waits it goes as fast as it can, in the batches
 * that suit the medium. Either way it lets reads that are under way end before it copies on, for no
 * longer than the copying itself takes (a quarter of that while a put waits), so that neither
 * starves.
 *
 * <p>Thread-safety: all methods.
 */
final class Pace {
    static final long BATCH_BYTES_MIN = 1L << 20;
    static final long BATCH_BYTES_MAX = 32L << 20;
    private static final long BATCH_BYTES_UNHURRIED = 2L << 20;

    private final double bytesPerSecond;
    private final long batchBytes;
    private final AtomicInteger reads = new AtomicInteger();
    private final AtomicInteger waiting = new AtomicInteger();
    private final AtomicInteger sleeping = new AtomicInteger();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private volatile boolean closed;

    Pace(MediumRates rates) {
        bytesPerSecond = rates.writeBytesPerSecond();
        batchBytes = rates.batchBytes(BATCH_BYTES_MIN, BATCH_BYTES_MAX);
    }

    /** Before a read of the medium; {@link #readEnds} after it. */
    void readStarts() {
        int _ = reads.incrementAndGet();
    }

    void readEnds() {
        if (reads.decrementAndGet() == 0) {
            wake();
        }
    }

    /** Before a put waits for room; {@link #putGoesOn} after it. */
    void putWaits() {
        int _ = waiting.incrementAndGet();
        wake();
    }

    void putGoesOn() {
        int _ = waiting.decrementAndGet();
    }

    /** Bytes to copy between two syncs, as things are. */
    long batchBytes() {
        return isHurried() ? batchBytes : Math.min(batchBytes, BATCH_BYTES_UNHURRIED);
    }

    /** Leaves the medium to others for as long as copying so many bytes took of it. */
    void afterBatch(long bytes) {
        sleep(nanos(bytes), () -> isHurried() || closed);
    }

    /** Lets reads end, before or after copying so many bytes. */
    void yieldToReads(long bytes) {
        long nanos = nanos(bytes) / (isHurried() ? 4 : 1);
        sleep(nanos, () -> reads.get() == 0 || closed);
    }

    /** Waits while other threads bring their puts to an end. */
    void letOthersPut(long millis) {
        sleep(TimeUnit.MILLISECONDS.toNanos(millis), () -> closed);
    }

    /** From now on nothing waits. */
    void close() {
        closed = true;
        wake();
    }

    private boolean isHurried() {
        return waiting.get() > 0;
    }

    private long nanos(long bytes) {
        return (long) (bytes / bytesPerSecond * TimeUnit.SECONDS.toNanos(1));
    }

    private void sleep(long nanos, BooleanSupplier enough) {
        if (enough.getAsBoolean()) {
            return;
        }
        lock.lock();
        int _ = sleeping.incrementAndGet();
        try {
            long left = nanos;
            while (left > 0 && !enough.getAsBoolean()) {
                left = changed.awaitNanos(left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            int _ = sleeping.decrementAndGet();
            lock.unlock();
        }
    }

    private void wake() {
        if (sleeping.get() > 0) {
            lock.lock();
            try {
                changed.signalAll();
            } finally {
                lock.unlock();
            }
        }
    }
}
