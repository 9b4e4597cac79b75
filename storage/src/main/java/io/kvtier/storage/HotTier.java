package io.kvtier.storage;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Values in memory within a budget of bytes, of which those least worth keeping go first.
 *
 * <p>What a value is worth, {@link ReuseModel} learns from the uses of all; while it knows nothing,
 * and for values of the same number of uses, the least recently used goes first. Uses within {@link
 * #SAME_USE} of each other are one: a stream opens a value once for each range it asks for.
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
    /** Within this time of a use, the next one is the same. */
    static final Duration SAME_USE = Duration.ofSeconds(5);

    /* The whole order is looked at once for all that a batch of evictions takes: a 128th of the
     * budget, so that the look costs each evicted value that of 128 others in passing.
     */
    private static final int BATCH_SHIFT = 7;

    /** Evictions after which the model is fitted anew. */
    private static final int FIT_EVERY = 256;

    /** Fits after which it forgets a part of what it counted. */
    private static final int FORGET_EVERY = 16;

    private final BlobPool pool;
    private final NanoClock clock;
    private final ReuseModel model = new ReuseModel();
    private final @Nullable ReuseHistory history;
    private final BlobPool.Reclaimer reclaimer = this::evict;
    private final long bytesMax;
    private final RecencyMap<Held> map = new RecencyMap<>();
    private final Stripes stripes = new Stripes();
    private final ReentrantLock evicting = new ReentrantLock();
    private final StoreCounters counters = new StoreCounters();
    private long fits; // guarded by evicting
    private volatile boolean closed;

    /** An entry; its handle belongs to the map, and then to whoever removed it. */
    private static final class Held implements RecencyMap.Weighed {
        final ChunkMeta meta;
        final PooledBlob blob;
        final long weight;
        // Two uses at the same time may count as one: an estimate needs no more.
        volatile int uses;
        volatile long lastUse;

        Held(ChunkMeta meta, PooledBlob blob, int uses, long lastUse) {
            this.meta = meta;
            this.blob = blob;
            this.weight = HotTier.weight(meta, blob);
            this.uses = uses;
            this.lastUse = lastUse;
        }

        @Override
        public long weight() {
            return weight;
        }
    }

    /**
     * @param pool where the values come from; it must outlive the tier
     * @param clock by which values age
     */
    public HotTier(BlobPool pool, HotTierOptions options, NanoClock clock) {
        this.pool = pool;
        this.clock = clock;
        this.bytesMax = options.bytesMax();
        history =
                options.historyEntries() == 0
                        ? null
                        : new ReuseHistory(
                                options.historyEntries(),
                                (uses, last) -> model.forgotten(uses, clock.nanoTime() - last));
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
        long now = clock.nanoTime();
        Held before = map.peek(key);
        int uses = before == null ? usesBefore(key, now) : before.uses;
        Held old = map.put(key, new Held(meta, own, uses, now));
        if (old != null) {
            old.blob.close();
        }
    }

    /** Uses of a value that comes back, this one included; 0 if it is new. */
    private int usesBefore(StoreKey key, long now) {
        ReuseHistory.Past past = history == null ? null : history.take(key);
        if (past == null) {
            return 0;
        }
        model.reused(past.uses(), now - past.lastUseNanos());
        return Math.min(past.uses() + 1, ReuseModel.USES_MAX);
    }

    private void use(Held held) {
        if (history == null) {
            return;
        }
        long now = clock.nanoTime();
        long age = now - held.lastUse;
        if (age >= SAME_USE.toNanos()) {
            model.reused(held.uses, age);
            held.uses = Math.min(held.uses + 1, ReuseModel.USES_MAX);
        }
        held.lastUse = now;
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
                use(held);
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
        return weight(meta, value) <= bytesMax;
    }

    /**
     * Bytes that a value takes of the budget: its memory, rounded up as the pool does, and index.
     */
    public static long weight(ChunkMeta meta, Blob value) {
        return ((PooledBlob) value).capacityBytes() + meta.heapBytes() + StoreKey.BYTES;
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
        for (RecencyMap.Entry<Held> least : leastWorth(weight)) {
            Held held = least.value();
            if (map.remove(least.key(), held)) {
                held.blob.close();
                freed += held.weight;
                counters.evicted.increment();
                if (history != null) {
                    history.add(least.key(), held.uses, held.lastUse);
                }
            }
        }
        return freed;
    }

    private List<RecencyMap.Entry<Held>> leastWorth(long weight) {
        if (history == null) {
            return map.oldest(weight);
        }
        evicting.lock();
        try {
            if (counters.evicted.sum() / FIT_EVERY >= fits) {
                fits++;
                model.fit();
                if (fits % FORGET_EVERY == 0) {
                    model.forget();
                }
            }
        } finally {
            evicting.unlock();
        }
        long now = clock.nanoTime();
        return map.leastWorth(
                Math.max(weight, bytesMax >> BATCH_SHIFT),
                ReuseModel.CLASSES,
                held -> held.uses,
                held -> model.worth(held.uses, now - held.lastUse));
    }

    private void requireOpen() {
        if (closed) {
            throw new UnavailableException("the hot tier is closed");
        }
    }
}
