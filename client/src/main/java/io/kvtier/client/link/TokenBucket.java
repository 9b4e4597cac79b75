package io.kvtier.client.link;

import io.kvtier.client.NanoClock;
import java.util.concurrent.TimeUnit;

/** Lets bytes pass at a rate, with a small burst. Thread-safe; the rate may change at any time. */
final class TokenBucket {
    private static final long BURST_NANOS = TimeUnit.MILLISECONDS.toNanos(5);
    private static final long BURST_BYTES_MIN = 4096;

    private final NanoClock clock;
    private double bytesPerSecond;
    private double tokens;
    private long sinceNanos;

    /** Rate 0 = unshaped. */
    TokenBucket(double bytesPerSecond, NanoClock clock) {
        this.clock = clock;
        this.bytesPerSecond = bytesPerSecond;
        this.sinceNanos = clock.nanoTime();
    }

    synchronized void rate(double newBytesPerSecond) {
        refill();
        bytesPerSecond = newBytesPerSecond;
        tokens = Math.min(tokens, burst());
    }

    /** Takes the bytes' tokens and says how long to wait before they may pass. */
    synchronized long take(int bytes) {
        if (bytesPerSecond <= 0) {
            return 0;
        }
        refill();
        tokens -= bytes;
        return tokens >= 0 ? 0 : (long) (-tokens / bytesPerSecond * 1e9);
    }

    /** How much to read at once, so that waits stay short. */
    synchronized int quantum(int bytesMax) {
        return bytesPerSecond <= 0 ? bytesMax : (int) Math.min(bytesMax, burst());
    }

    private double burst() {
        return Math.max(BURST_BYTES_MIN, bytesPerSecond * BURST_NANOS / 1e9);
    }

    private void refill() {
        long now = clock.nanoTime();
        tokens = Math.min(burst(), tokens + (now - sinceNanos) / 1e9 * bytesPerSecond);
        sinceNanos = now;
    }
}
