package io.kvtier.storage.log;

import io.kvtier.storage.NanoClock;
import io.kvtier.storage.OverloadedException;
import io.kvtier.storage.StorageException;
import io.kvtier.storage.UnavailableException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Shuts for a while when a write fails, so that a failing disk costs a refusal, not a wait; after
 * that it lets the store repair itself and opens again.
 *
 * <p>Thread-safety: all methods.
 */
final class WriteGate {
    private static final Logger log = LoggerFactory.getLogger(WriteGate.class);
    private static final long WARN_EVERY_NANOS = Duration.ofSeconds(1).toNanos();

    private final Path folder;
    private final NanoClock clock;
    private final Duration retryAfter;
    private final ReentrantLock repairing = new ReentrantLock();
    private final AtomicLong warnedAtNanos;
    private volatile @Nullable Failure failure;

    /** Compared by identity: the same trouble at another time is another failure. */
    private static final class Failure {
        final StorageException cause;
        final long atNanos;

        Failure(StorageException cause, long atNanos) {
            this.cause = cause;
            this.atNanos = atNanos;
        }
    }

    /** Writes something. */
    interface Write {
        void run() throws IOException;
    }

    WriteGate(Path folder, NanoClock clock, Duration retryAfter) {
        this.folder = folder;
        this.clock = clock;
        this.retryAfter = retryAfter;
        this.warnedAtNanos = new AtomicLong(clock.nanoTime() - WARN_EVERY_NANOS);
    }

    /** Whether writes failed lately. */
    boolean isShut() {
        return failure != null;
    }

    /** Writes; what fails shuts the gate. */
    void run(Write write) {
        try {
            write.run();
        } catch (IOException e) {
            throw fail(e);
        }
    }

    /**
     * Refuses while the gate is shut; then repairs and opens it.
     *
     * @throws OverloadedException if the disk was full
     * @throws UnavailableException if it failed otherwise
     */
    void pass(Write repair) {
        Failure last = failure;
        if (last == null) {
            return;
        }
        if (clock.nanoTime() - last.atNanos < retryAfter.toNanos()) {
            throw refusal(last);
        }
        repairing.lock();
        try {
            if (failure == last) {
                run(repair);
                failure = null;
                log.info("store writes again folder={}", folder);
            }
        } finally {
            repairing.unlock();
        }
    }

    /** Shuts the gate, and says what to throw. */
    StorageException fail(IOException e) {
        StorageException cause =
                ChunkLog.isFull(e)
                        ? new OverloadedException("disk of " + folder + " is full", retryAfter, e)
                        : new UnavailableException(
                                "write to " + folder + " failed: " + e + "; check the disk", e);
        failure = new Failure(cause, clock.nanoTime());
        warn("write failed, store refuses puts for now", cause);
        return cause;
    }

    /** Refuses without shutting: the limit is ours. */
    OverloadedException overloaded(String message) {
        OverloadedException full = new OverloadedException(message, retryAfter);
        warn("put refused", full);
        return full;
    }

    private StorageException refusal(Failure last) {
        String message = "store refuses puts after a failed write: " + last.cause.getMessage();
        return last.cause instanceof OverloadedException
                ? new OverloadedException(message, retryAfter)
                : new UnavailableException(message);
    }

    private void warn(String event, StorageException cause) {
        long now = clock.nanoTime();
        long before = warnedAtNanos.get();
        if (now - before >= WARN_EVERY_NANOS && warnedAtNanos.compareAndSet(before, now)) {
            log.warn("{} folder={} cause={}", event, folder, cause.getMessage());
        }
    }
}
