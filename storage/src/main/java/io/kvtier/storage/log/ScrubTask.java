package io.kvtier.storage.log;

import io.kvtier.storage.UnavailableException;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Scrubs a log at a limited rate: run once a second, it reads as many bytes as the rate allows, and
 * rests between two passes over everything.
 *
 * <p>Not thread-safe: for one thread's schedule, which ends before the store is closed.
 */
public final class ScrubTask implements Runnable {
    private static final Logger log = LoggerFactory.getLogger(ScrubTask.class);

    /** Between two looks at whether the store is about to close. */
    private static final long STEP_BYTES = 1L << 20;

    private final LogChunkStore store;
    private final long bytesPerSecond;
    private final long restSeconds;
    private long restLeft;
    private long debtBytes;
    private boolean failing;

    /**
     * @param bytesPerSecond that are read; one value more in one second, so many less in the next
     * @param rest between the end of a pass and the start of the next
     */
    public ScrubTask(LogChunkStore store, long bytesPerSecond, Duration rest) {
        this.store = store;
        this.bytesPerSecond = bytesPerSecond;
        this.restSeconds = rest.toSeconds();
    }

    /** The work of one second. */
    @Override
    public void run() {
        if (restLeft > 0) {
            restLeft--;
            return;
        }
        try {
            long left = bytesPerSecond - debtBytes;
            while (left > 0 && restLeft == 0 && !Thread.currentThread().isInterrupted()) {
                long done = store.scrub(Math.min(left, STEP_BYTES));
                left -= done;
                if (done == 0) {
                    restLeft = Math.max(1, restSeconds);
                }
            }
            debtBytes = Math.max(0, -left);
            failing = false;
        } catch (UnavailableException e) {
            if (!failing) {
                log.warn("scrubbing stopped for now cause={}", e.getMessage());
            }
            failing = true;
            restLeft = Math.max(1, restSeconds);
        }
    }
}
