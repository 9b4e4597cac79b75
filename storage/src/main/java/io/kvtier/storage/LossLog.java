package io.kvtier.storage;

import java.time.Duration;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The last values that the tiers of a node let go, and why: so that a miss can be explained.
 *
 * <p>A ring: the oldest entry makes room, and of several of one key the last one counts. An entry
 * takes about 150 bytes of heap. It says nothing of what is held now: who asks looks there first. A
 * restart forgets all.
 *
 * <p>Thread-safety: all methods.
 */
public final class LossLog {
    /** Entries of a node's log, about 2.5 MB. */
    public static final int ENTRIES = 1 << 14;

    private final NanoClock clock;
    private final @Nullable Entry[] ring;
    private final Map<StoreKey, Entry> byKey = new HashMap<>();
    private final Map<LossCause, Long> counts = new EnumMap<>(LossCause.class);
    private final ReentrantLock lock = new ReentrantLock();
    private long next;

    /** Compared by identity: a later entry of a key is another. */
    private static final class Entry {
        final StoreKey key;
        final LossCause cause;
        final long atNanos;

        Entry(StoreKey key, LossCause cause, long atNanos) {
            this.key = key;
            this.cause = cause;
            this.atNanos = atNanos;
        }
    }

    /**
     * @param entries remembered, at least 1
     */
    public LossLog(int entries, NanoClock clock) {
        this.ring = new @Nullable Entry[entries];
        this.clock = clock;
        for (LossCause cause : LossCause.values()) {
            counts.put(cause, 0L);
        }
    }

    /** Takes note of a value that is let go. */
    public void add(StoreKey key, LossCause cause) {
        Entry entry = new Entry(key, cause, clock.nanoTime());
        lock.lock();
        try {
            int at = (int) (next++ % ring.length);
            Entry oldest = ring[at];
            if (oldest != null) {
                boolean _ = byKey.remove(oldest.key, oldest);
            }
            ring[at] = entry;
            byKey.put(key, entry);
            counts.merge(cause, 1L, Long::sum);
        } finally {
            lock.unlock();
        }
    }

    /** What became of a key's value last; empty if it never was held, or that is too long ago. */
    public Optional<Loss> find(StoreKey key) {
        lock.lock();
        try {
            return Optional.ofNullable(byKey.get(key))
                    .map(
                            entry ->
                                    new Loss(
                                            entry.cause,
                                            Duration.ofNanos(clock.nanoTime() - entry.atNanos)));
        } finally {
            lock.unlock();
        }
    }

    /** How many were let go for each cause since the start, those forgotten included. */
    public Map<LossCause, Long> counts() {
        lock.lock();
        try {
            return new EnumMap<>(counts);
        } finally {
            lock.unlock();
        }
    }
}
