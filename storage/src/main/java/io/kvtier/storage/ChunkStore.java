package io.kvtier.storage;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Keeps chunks by key, within a budget, and gives back exactly what was put or nothing.
 *
 * <p>A miss is always allowed, a wrong byte never: stores evict when they have to, and answer with
 * a miss where a check fails.
 *
 * <p>Thread-safety: all methods may be called from any thread, after {@link #close} all but another
 * close throw {@link UnavailableException}. Puts may wait for a disk; so may {@link #open} where a
 * value is not in memory. {@link #find} and {@link #prefix} never read a value, and a disk only for
 * a meta that was not asked for lately.
 */
public interface ChunkStore extends AutoCloseable {
    /**
     * Puts a value, which nobody can see before it is complete and as durable as asked.
     *
     * <p>Ownership: the blob is lent; the store retains what it keeps.
     *
     * @throws InvalidRequestException if blob and meta disagree, or the store cannot keep values so
     *     durable
     * @throws OverloadedException if memory or disk are full
     * @throws UnavailableException if the store is closed or its disk fails; the value may or may
     *     not be there after a restart
     */
    PutOutcome put(StoreKey key, ChunkMeta meta, Blob value, Durability durability);

    /** What is held under a key, without touching its value; does not count as use. */
    Optional<ChunkMeta> find(StoreKey key);

    /**
     * Opens a value for reading, and counts as use.
     *
     * <p>Ownership: the receiver closes it. Eviction meanwhile does not disturb it. What a medium
     * gives back is checked first: a mismatch is set aside, counted, logged, and a miss.
     *
     * @throws OverloadedException if there is no memory to read it into
     * @throws UnavailableException if the store is closed or its disk fails
     */
    Optional<StoredChunk> open(StoreKey key);

    /**
     * A handle on a value that is in memory; counts as no use and reads no disk.
     *
     * <p>Ownership: the receiver closes it, soon.
     */
    default Optional<StoredChunk> hold(StoreKey key) {
        return Optional.empty();
    }

    /**
     * Keeps a value that is on disk from being evicted or cut there, until as many {@link
     * #letGoOnDisk}; soon.
     *
     * @return its bytes; 0 if it is not on disk, and then there is nothing to let go
     */
    default long holdOnDisk(StoreKey key) {
        return 0;
    }

    /** Ends one {@link #holdOnDisk}. */
    default void letGoOnDisk(StoreKey key) {}

    /**
     * Says that a client is about to open these, so that they had better not be evicted before: a
     * ticket, where the store has such; for a few seconds and within limits.
     *
     * @param client compared by equality
     * @param keys in order of a chain, head first
     */
    default void protect(Object client, List<StoreKey> keys) {}

    /** Says that a client is gone, and with it what was protected for it. */
    default void unprotect(Object client) {}

    /**
     * The longest run of keys that are held, from the first one on.
     *
     * <p>A linear scan: eviction leaves holes, which a binary search would miss.
     */
    default List<ChunkMeta> prefix(List<StoreKey> chain) {
        List<ChunkMeta> held = new ArrayList<>();
        for (StoreKey key : chain) {
            Optional<ChunkMeta> meta = find(key);
            if (meta.isEmpty()) {
                break;
            }
            held.add(meta.get());
        }
        return held;
    }

    /**
     * Says that the chunks of a chain were used together, so that its tail goes before its head.
     *
     * <p>A stream opens or puts a chain from its head on, which leaves the head as the one that was
     * not used for longest. Keys that are not held are passed over.
     *
     * @param chain in order, head first
     */
    default void touch(List<StoreKey> chain) {}

    /**
     * Removes a value for good: it does not come back after a restart.
     *
     * @return whether it was there
     */
    boolean remove(StoreKey key);

    /** Removes a value without waiting for the disk: it may come back after a crash. */
    default boolean discard(StoreKey key) {
        return remove(key);
    }

    /** Milliseconds since 1970 by which values expire; 0 in a store where they do not. */
    default long nowMillis() {
        return 0;
    }

    /**
     * Says when a value expires, sooner or later than its put did; survives a restart.
     *
     * @param expiryMillis by {@link #nowMillis}; {@link ChunkMeta#NEVER} to keep it
     * @return whether it is held
     * @throws OverloadedException if that was said of too many others
     */
    default boolean setExpiry(StoreKey key, long expiryMillis) {
        throw new InvalidRequestException("values of this store do not expire");
    }

    /**
     * Makes a value durable and keeps it on disk, all of its parts, until it is unpinned or
     * removed; survives a restart.
     *
     * @return whether it is held
     * @throws OverloadedException if that is more than may be pinned
     */
    default boolean pin(StoreKey key) {
        throw new InvalidRequestException("values of this store cannot be pinned");
    }

    /** Ends a pin; false if there was none. */
    default boolean unpin(StoreKey key) {
        return false;
    }

    /** Whether a value is pinned. */
    default boolean isPinned(StoreKey key) {
        return false;
    }

    /**
     * What became of a value that is not held, as far as that is remembered; of use only where
     * {@link #find} says nothing.
     */
    default Optional<Loss> lossOf(StoreKey key) {
        return Optional.empty();
    }

    /** Counters and sizes of now. */
    StoreStats stats();

    /** Lets go of everything held in memory; what is durable stays on the disk. */
    @Override
    void close();
}
