package io.kvtier.storage;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Values in memory, least recently used out first, within a budget of bytes.
 *
 * <p>Holds {@link Durability#MEMORY} only. Values are shared, never copied: a put retains the
 * caller's blob, an open hands out another handle. When its {@link BlobPool} runs short, the tier
 * gives up old values for what is in flight.
 */
public final class HotTier implements ChunkStore {
    /* A reader and an eviction may meet at any time. The reader finds an entry in the map, the
     * evictor removes that entry and closes the tier's handle, and only then does the reader try to
     * retain: the count is 0, the attempt fails without touching the memory, and the reader looks
     * again. Since an entry is removed before its handle is closed, looking again finds a newer
     * entry or none, so the loop ends. Nothing depends on when Caffeine tidies up.
     */
    private final BlobPool pool;
    private final BlobPool.Reclaimer reclaimer = this::evict;
    private final long bytesMax;
    private final RecencyMap<Held> map = new RecencyMap<>();
    private final Stripes stripes = new Stripes();
    private final ReentrantLock evicting = new ReentrantLock();
    private final StoreCounters counters = new StoreCounters();
    private volatile boolean closed;

    /** An entry; its handle belongs to the map, and then to whoever removed it. */
    private static final class Held implements RecencyMap.Weighed {
        final ChunkMeta meta;
        final PooledBlob blob;
        final long weight;

        Held(ChunkMeta meta, PooledBlob blob) {
            this.meta = meta;
            this.blob = blob;
            this.weight = HotTier.weight(meta, blob);
        }

        @Override
        public long weight() {
            return weight;
        }
    }

    /**
     * @param pool where the values come from; it must outlive the tier
     */
    public HotTier(BlobPool pool, HotTierOptions options) {
        this.pool = pool;
        this.bytesMax = options.bytesMax();
        pool.addReclaimer(reclaimer);
    }

    @Override
    public PutOutcome put(StoreKey key, ChunkMeta meta, Blob value, Durability durability) {
        StoreCounters.requireMatch(meta, value);
        requireOpen();
        if (durability == Durability.DISK) {
            throw new InvalidRequestException("the hot tier holds MEMORY only, got DISK");
        }
        if (!admits(meta, value)) {
            counters.refused.increment();
            throw new OverloadedException(
                    "value of " + value.bytes() + " bytes exceeds hot bytesMax=" + bytesMax,
                    Duration.ofSeconds(1));
        }
        PutOutcome outcome = insert(key, meta, value);
        shrink();
        return counters.count(outcome);
    }

    private PutOutcome insert(StoreKey key, ChunkMeta meta, Blob value) {
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            requireOpen();
            PutOutcome outcome = PutOutcome.decide(find(key), meta);
            switch (outcome) {
                case PutOutcome.Stored s -> keep(key, meta, value);
                case PutOutcome.Replaced r -> keep(key, meta, value);
                case PutOutcome.AlreadyPresent a -> {}
                case PutOutcome.KeptOther k -> {}
            }
            return outcome;
        } finally {
            stripe.unlock();
        }
    }

    private void keep(StoreKey key, ChunkMeta meta, Blob value) {
        PooledBlob own = (PooledBlob) value.retain();
        Held old = map.put(key, new Held(meta, own));
        if (old != null) {
            old.blob.close();
        }
    }

    @Override
    public Optional<ChunkMeta> find(StoreKey key) {
        requireOpen();
        Held held = map.peek(key);
        return held == null ? Optional.empty() : Optional.of(held.meta);
    }

    @Override
    public Optional<StoredChunk> open(StoreKey key) {
        requireOpen();
        for (Held held = map.touch(key); held != null; held = map.touch(key)) {
            PooledBlob blob = held.blob.tryRetain();
            if (blob != null) {
                counters.hits.increment();
                return Optional.of(new StoredChunk(held.meta, blob));
            }
        }
        counters.misses.increment();
        return Optional.empty();
    }

    @Override
    public boolean remove(StoreKey key) {
        requireOpen();
        Held held = map.remove(key);
        if (held == null) {
            return false;
        }
        held.blob.close();
        return true;
    }

    @Override
    public StoreStats stats() {
        return counters.stats("hot", map.size(), map.bytes(), bytesMax, List.of());
    }

    @Override
    public void close() {
        closed = true;
        pool.removeReclaimer(reclaimer);
        stripes.awaitHolders(); // puts that began before are done, later ones see the flag
        for (StoreKey key : map.keys()) {
            Held held = map.remove(key);
            if (held != null) {
                held.blob.close();
            }
        }
    }

    /** Whether a value could be kept at all. */
    boolean admits(ChunkMeta meta, Blob value) {
        return weight(meta, (PooledBlob) value) <= bytesMax;
    }

    private static long weight(ChunkMeta meta, PooledBlob blob) {
        return blob.capacityBytes() + meta.heapBytes() + StoreKey.BYTES;
    }

    private void shrink() {
        if (map.bytes() <= bytesMax) {
            return;
        }
        evicting.lock();
        try {
            long excess = map.bytes() - bytesMax;
            while (excess > 0 && evict(excess) > 0) {
                excess = map.bytes() - bytesMax;
            }
        } finally {
            evicting.unlock();
        }
    }

    private long evict(long weight) {
        long freed = 0;
        for (RecencyMap.Entry<Held> oldest : map.oldest(weight)) {
            Held held = oldest.value();
            if (map.remove(oldest.key(), held)) {
                held.blob.close();
                freed += held.weight;
                counters.evicted.increment();
            }
        }
        return freed;
    }

    private void requireOpen() {
        if (closed) {
            throw new UnavailableException("the hot tier is closed");
        }
    }
}
