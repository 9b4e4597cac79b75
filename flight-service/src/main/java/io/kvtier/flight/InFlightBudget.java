package io.kvtier.flight;

import io.kvtier.codec.error.OverloadedException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Bytes that the node has handed to the network and not yet seen leave, over all streams.
 *
 * <p>Thread-safety: all methods. A stream that finds no room waits; one that waits too long is
 * refused.
 */
final class InFlightBudget {
    private final long bytesMax;
    private final ReentrantLock lock = new ReentrantLock(true);
    private final Condition released = lock.newCondition();
    private long bytes;

    InFlightBudget(long bytesMax) {
        this.bytesMax = bytesMax;
    }

    /**
     * Takes room for {@code wanted} bytes; one item larger than the whole budget passes alone.
     *
     * @throws OverloadedException when there is no room for {@code waitNanosMax}
     */
    void acquire(long wanted, long waitNanosMax) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            long left = waitNanosMax;
            while (bytes > 0 && bytes + wanted > bytesMax) {
                if (left <= 0) {
                    throw new OverloadedException(
                            bytes
                                    + " bytes in flight, and "
                                    + wanted
                                    + " more exceed inFlightBytesMax="
                                    + bytesMax,
                            Duration.ofMillis(TimeUnit.NANOSECONDS.toMillis(waitNanosMax)));
                }
                left = released.awaitNanos(left);
            }
            bytes += wanted;
        } finally {
            lock.unlock();
        }
    }

    /** Gives room back. */
    void release(long returned) {
        lock.lock();
        try {
            bytes -= returned;
            released.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Bytes in flight now. */
    long bytes() {
        lock.lock();
        try {
            return bytes;
        } finally {
            lock.unlock();
        }
    }
}
