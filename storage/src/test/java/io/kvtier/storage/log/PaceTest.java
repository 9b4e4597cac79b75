package io.kvtier.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/** Waits that would last for hours if nothing ended them. */
class PaceTest {
    private static final long HOURS_OF_BYTES = 1L << 40;

    private final Pace pace = new Pace(new MediumRates(1e6, 10_000_000, 1e6));

    @Test
    void afterBatch_putWaits_goesOn() throws InterruptedException {
        Thread compaction = waiting(() -> pace.afterBatch(HOURS_OF_BYTES));

        pace.putWaits();

        compaction.join();
        pace.afterBatch(HOURS_OF_BYTES);
        pace.putGoesOn();
    }

    @Test
    void yieldToReads_lastReadEnds_goesOn() throws InterruptedException {
        pace.yieldToReads(HOURS_OF_BYTES);
        pace.readStarts();
        pace.readStarts();
        Thread compaction = waiting(() -> pace.yieldToReads(HOURS_OF_BYTES));

        pace.readEnds();
        assertThat(compaction.isAlive()).isTrue();
        pace.readEnds();

        compaction.join();
    }

    @Test
    void close_waitingForBoth_goesOn() throws InterruptedException {
        pace.readStarts();
        Thread yielding = waiting(() -> pace.yieldToReads(HOURS_OF_BYTES));
        Thread resting = waiting(() -> pace.afterBatch(HOURS_OF_BYTES));

        pace.close();

        yielding.join();
        resting.join();
    }

    @Test
    void batchBytes_unhurried_areFew() {
        Pace fast = new Pace(new MediumRates(1e9, 10_000_000, 1e9));
        long unhurried = fast.batchBytes();
        fast.putWaits();
        assertThat(fast.batchBytes()).isGreaterThan(unhurried).isLessThanOrEqualTo(32L << 20);
    }

    private static Thread waiting(Runnable work) {
        Thread thread = Thread.ofPlatform().daemon().start(work);
        Awaitility.await()
                .atMost(Duration.ofSeconds(30))
                .until(() -> thread.getState() == Thread.State.TIMED_WAITING);
        return thread;
    }
}
