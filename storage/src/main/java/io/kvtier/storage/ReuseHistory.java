package io.kvtier.storage;

import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Uses of chunks that are no longer held, in a table of fixed size.
 *
 * <p>A chunk that comes back soon after it was given up says as much about the load as one that was
 * still there. An entry takes {@value #ENTRY_BYTES} bytes: 64 bits of its key (a digest, so two
 * chunks rarely meet, and if they do only an estimate suffers), uses, and time of the last one. A
 * bucket has four entries, of which the oldest makes room.
 *
 * <p>Thread-safety: all methods.
 */
final class ReuseHistory {
    /** Bytes of an entry. */
    static final int ENTRY_BYTES = 24;

    /** What is known of a chunk. */
    record Past(int uses, long lastUseNanos) {}

    /** Is told of entries that make room for others. */
    interface Forgotten {
        /** A chunk that was not used again while it was remembered. */
        void forgotten(int uses, long lastUseNanos);
    }

    private static final int WAYS = 4;

    private final int buckets;
    private final long[] tags;
    private final long[] times;
    private final int[] uses; // 0 = free, otherwise uses + 1
    private final Forgotten listener;
    private final ReentrantLock lock = new ReentrantLock();

    /**
     * @param entries at most; rounded up to a multiple of four
     */
    ReuseHistory(int entries, Forgotten listener) {
        buckets = Math.ceilDiv(entries, WAYS);
        tags = new long[buckets * WAYS];
        times = new long[buckets * WAYS];
        uses = new int[buckets * WAYS];
        this.listener = listener;
    }

    /** Remembers a chunk, in place of what is known of it. */
    void add(StoreKey key, int count, long lastUseNanos) {
        long tag = tag(key);
        lock.lock();
        try {
            int first = bucket(tag);
            int slot = first;
            for (int i = first; i < first + WAYS; i++) {
                if (uses[i] == 0 || tags[i] == tag) {
                    slot = i;
                    break;
                }
                if (times[i] - times[slot] < 0) {
                    slot = i;
                }
            }
            if (uses[slot] != 0 && tags[slot] != tag) {
                listener.forgotten(uses[slot] - 1, times[slot]);
            }
            tags[slot] = tag;
            times[slot] = lastUseNanos;
            uses[slot] = count + 1;
        } finally {
            lock.unlock();
        }
    }

    /** Takes out what is known of a chunk, or null. */
    @Nullable Past take(StoreKey key) {
        long tag = tag(key);
        lock.lock();
        try {
            int first = bucket(tag);
            for (int i = first; i < first + WAYS; i++) {
                if (uses[i] != 0 && tags[i] == tag) {
                    Past past = new Past(uses[i] - 1, times[i]);
                    uses[i] = 0;
                    return past;
                }
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    private int bucket(long tag) {
        return (int) Long.remainderUnsigned(tag, buckets) * WAYS;
    }

    private static long tag(StoreKey key) {
        return key.word(2) ^ key.word(1);
    }
}
