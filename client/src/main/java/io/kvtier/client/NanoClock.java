package io.kvtier.client;

/** Monotonic time in nanoseconds from an arbitrary origin; differences are what counts. */
@FunctionalInterface
public interface NanoClock {
    /** Nanoseconds now. */
    long nanoTime();

    /** The clock of this machine. */
    static NanoClock system() {
        return System::nanoTime;
    }
}
