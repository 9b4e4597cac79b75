package io.kvtier.flight;

import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.StoreKey;
import java.util.LinkedHashSet;
import java.util.List;

/**
 * The chunks that a stream has put or opened, in the order in which it first did.
 *
 * <p>Streams go from a chain's head to its tail, which would leave the tail as the last one used;
 * the store is told of the chain when nothing more is asked for, so that its tail goes first.
 *
 * <p>Not thread-safe: one stream's.
 */
final class UsedChain {
    /** Chunks of one lookup at most; of a longer chain its runs are told one after the other. */
    private static final int KEYS_MAX = 4096;

    private final ChunkStore store;
    private final LinkedHashSet<StoreKey> keys = new LinkedHashSet<>();

    UsedChain(ChunkStore store) {
        this.store = store;
    }

    /** Takes note of a use. */
    void add(StoreKey key) {
        boolean _ = keys.add(key);
        if (keys.size() >= KEYS_MAX) {
            flush();
        }
    }

    /** Tells the store, and begins anew. */
    void flush() {
        if (!keys.isEmpty()) {
            store.touch(List.copyOf(keys));
            keys.clear();
        }
    }
}
