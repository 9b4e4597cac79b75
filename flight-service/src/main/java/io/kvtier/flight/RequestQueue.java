package io.kvtier.flight;

import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.OverloadedException;
import io.kvtier.codec.wire.CancelRequest;
import io.kvtier.codec.wire.SegmentRequest;
import io.kvtier.codec.wire.StreamRequest;
import io.kvtier.storage.NanoClock;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/** Requests of one stream that wait for their answer, first come, first served. */
final class RequestQueue {
    private static final long BUDGET_NANOS_MAX = Duration.ofHours(1).toNanos();

    /** What counts for a client that names no time. */
    private static final long NO_BUDGET_NANOS = Duration.ofSeconds(10).toNanos();

    private final int requestsMax;
    private final NanoClock clock;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();
    private @Nullable Waiting current;
    private @Nullable KvtierException failure;
    private boolean ended;

    /** A request, since when it waits, and whether its client took it back. */
    static final class Waiting {
        private final SegmentRequest request;
        private final long sinceNanos;
        private volatile boolean cancelled;

        Waiting(SegmentRequest request, long sinceNanos) {
            this.request = request;
            this.sinceNanos = sinceNanos;
        }

        SegmentRequest request() {
            return request;
        }

        long sinceNanos() {
            return sinceNanos;
        }

        /** When its client's time is over, by the queue's clock. */
        long deadlineNanos() {
            long budget = request.budgetNanos();
            return sinceNanos + (budget > 0 ? Math.min(budget, BUDGET_NANOS_MAX) : NO_BUDGET_NANOS);
        }
    }

    RequestQueue(int requestsMax, NanoClock clock) {
        this.requestsMax = requestsMax;
        this.clock = clock;
    }

    /**
     * Takes in what the client said.
     *
     * @throws OverloadedException when too many requests wait
     */
    void add(StreamRequest message) {
        lock.lock();
        try {
            switch (message) {
                case SegmentRequest request -> {
                    if (waiting.size() >= requestsMax) {
                        throw new OverloadedException(
                                waiting.size() + " requests wait, requestsMax=" + requestsMax,
                                Duration.ofMillis(100));
                    }
                    waiting.add(new Waiting(request, clock.nanoTime()));
                }
                case CancelRequest cancel -> {
                    mark(current, cancel.request());
                    waiting.forEach(each -> mark(each, cancel.request()));
                }
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Says that nothing more will come; what waits is still answered. */
    void end() {
        lock.lock();
        try {
            ended = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Ends the queue at once: the next take throws. */
    void fail(KvtierException error) {
        lock.lock();
        try {
            failure = error;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** The next request, empty after the last one. */
    Optional<Waiting> take() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            current = null;
            while (waiting.isEmpty() && !ended && failure == null) {
                changed.await();
            }
            if (failure != null) {
                throw failure;
            }
            current = waiting.poll();
            return Optional.ofNullable(current);
        } finally {
            lock.unlock();
        }
    }

    /** Whether nothing waits. */
    boolean isEmpty() {
        lock.lock();
        try {
            return waiting.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    /** How many wait. */
    int size() {
        lock.lock();
        try {
            return waiting.size();
        } finally {
            lock.unlock();
        }
    }

    /** Whether a request's time is over, of those that were not cancelled. */
    boolean isLate(Waiting request) {
        long budget = request.request.budgetNanos();
        return !request.cancelled && budget > 0 && clock.nanoTime() - request.sinceNanos > budget;
    }

    /** Why a request need not be answered (any more). */
    Optional<String> whyDropped(Waiting request) {
        if (request.cancelled) {
            return Optional.of("cancelled by the client");
        }
        return isLate(request)
                ? Optional.of(
                        "its time of "
                                + Duration.ofNanos(request.request.budgetNanos())
                                + " is over")
                : Optional.empty();
    }

    private static void mark(@Nullable Waiting request, int id) {
        if (request != null && request.request.request() == id) {
            request.cancelled = true;
        }
    }
}
