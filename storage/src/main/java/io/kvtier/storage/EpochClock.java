package io.kvtier.storage;

import java.time.InstantSource;

/**
 * Milliseconds since 1970 that pass as the monotonic clock does.
 *
 * <p>What ends after a restart needs a time that goes on meanwhile, so the wall clock is read once,
 * at the start; whoever sets it afterwards makes nothing end early or late.
 */
final class EpochClock {
    private final NanoClock clock;
    private final long startMillis;
    private final long startNanos;

    EpochClock(NanoClock clock, InstantSource instants) {
        this.clock = clock;
        this.startMillis = instants.millis();
        this.startNanos = clock.nanoTime();
    }

    long millis() {
        return startMillis + (clock.nanoTime() - startNanos) / 1_000_000;
    }
}
