package io.kvtier.flight.share;

import io.kvtier.storage.NanoClock;
import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Whose turn it is on a link, by self-clocked fair queueing, at the link's rate.
 *
 * <p>All methods under the lock that it was given.
 */
final class LinkTurns {
    private final double bytesPerSecond;
    private final long lateNanos;
    private final ReentrantLock lock;
    private final NanoClock clock;
    private final PriorityQueue<Turn> waiting =
            new PriorityQueue<>(Comparator.comparingDouble(turn -> turn.tag));
    private double virtualTime;
    private long freeNanos;
    private boolean begun;

    private static final class Turn {
        final double tag;
        final Condition changed;

        Turn(double tag, Condition changed) {
            this.tag = tag;
            this.changed = changed;
        }
    }

    /**
     * @param lateNanos of the link's time that may be made up for
     */
    LinkTurns(double bytesPerSecond, long lateNanos, ReentrantLock lock, NanoClock clock) {
        this.bytesPerSecond = bytesPerSecond;
        this.lateNanos = lateNanos;
        this.lock = lock;
        this.clock = clock;
    }

    /** Waits for the share's turn, and for the link to be done with what went before. */
    void take(LinkShare share, long bytes) throws InterruptedException {
        // A share of nothing is served when nobody else has anything to send.
        double rate = Math.max(share.rate, bytesPerSecond * 1e-3);
        double tag = Math.max(virtualTime, share.lastTag) + bytes / rate;
        share.lastTag = tag;
        Turn turn = new Turn(tag, lock.newCondition());
        waiting.add(turn);
        try {
            while (waiting.peek() != turn || untilFree() > 0) {
                if (waiting.peek() == turn) {
                    long _ = turn.changed.awaitNanos(untilFree());
                } else {
                    turn.changed.await();
                }
            }
            virtualTime = Math.max(virtualTime, tag);
            long now = clock.nanoTime();
            long from = begun ? Math.max(freeNanos, now - lateNanos) : now;
            begun = true;
            freeNanos = from + (long) (bytes * 1e9 / bytesPerSecond);
        } finally {
            boolean _ = waiting.remove(turn);
            Turn next = waiting.peek();
            if (next != null) {
                next.changed.signal();
            }
        }
    }

    private long untilFree() {
        return begun ? freeNanos - clock.nanoTime() : 0;
    }
}
