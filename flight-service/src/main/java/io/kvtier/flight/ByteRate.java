package io.kvtier.flight;

import io.kvtier.storage.NanoClock;
import java.util.concurrent.TimeUnit;

/**
 * Bytes per second over the last few seconds.
 *
 * <p>Thread-safety: all methods.
 */
final class ByteRate {
    /** Whole seconds that a rate is taken over. */
    private static final int SECONDS = 5;

    private final NanoClock clock;
    private final long originNanos;
    private final long[] bytes = new long[SECONDS + 1];
    private long second;

    ByteRate(NanoClock clock) {
        this.clock = clock;
        this.originNanos = clock.nanoTime();
    }

    synchronized void add(long count) {
        advance();
        bytes[(int) (second % bytes.length)] += count;
    }

    /** Over the last whole seconds, or, in the first of them, over what has passed. */
    synchronized long bytesPerSecond() {
        advance();
        long sum = 0;
        for (long each : bytes) {
            sum += each;
        }
        long age = clock.nanoTime() - originNanos;
        long spanMax = TimeUnit.SECONDS.toNanos(SECONDS) + age % TimeUnit.SECONDS.toNanos(1);
        long span = Math.max(TimeUnit.SECONDS.toNanos(1), Math.min(age, spanMax));
        return (long) (sum * 1e9 / span);
    }

    private void advance() {
        long now = TimeUnit.NANOSECONDS.toSeconds(clock.nanoTime() - originNanos);
        long first = Math.max(second + 1, now - SECONDS);
        for (long each = first; each <= now; each++) {
            bytes[(int) (each % bytes.length)] = 0;
        }
        second = Math.max(second, now);
    }
}
