package io.kvtier.client;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.apache.arrow.flight.CallOption;
import org.apache.arrow.flight.CallOptions;

/** The moment by which a call has returned, whatever happens. */
public final class Deadline {
    /** More than anybody waits: 100 days. */
    private static final long NANOS_MAX = TimeUnit.DAYS.toNanos(100);

    private final NanoClock clock;
    private final long atNanos;

    private Deadline(NanoClock clock, long atNanos) {
        this.clock = clock;
        this.atNanos = atNanos;
    }

    /** So long from now on. */
    public static Deadline after(Duration time, NanoClock clock) {
        long nanos;
        try {
            nanos = Math.min(NANOS_MAX, time.toNanos());
        } catch (ArithmeticException e) {
            nanos = time.isNegative() ? 0 : NANOS_MAX;
        }
        return new Deadline(clock, clock.nanoTime() + nanos);
    }

    /** Nanoseconds left, 0 when it is over. */
    public long nanosLeft() {
        return Math.max(0, atNanos - clock.nanoTime());
    }

    /** Whether it is over. */
    public boolean isOver() {
        return nanosLeft() == 0;
    }

    /** Whether it has been over for longer than that. */
    boolean isOverBy(long nanos) {
        return clock.nanoTime() - atNanos > nanos;
    }

    /** The same, so much earlier. */
    Deadline earlier(long nanos) {
        return new Deadline(clock, atNanos - Math.min(nanos, NANOS_MAX));
    }

    CallOption callOption() {
        return CallOptions.timeout(Math.max(1, nanosLeft()), TimeUnit.NANOSECONDS);
    }
}
