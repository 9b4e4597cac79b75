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
 * <p>A value that can be cut loses its last part before it goes, if {@link PartWorth} says that
 * this part is worth less by the byte, and the next one when its turn comes again.
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
     *
     * What changes an entry does so under its key's stripe. One that is cut stays in its place, but
     * under another allocation, since the old one's count has to leave 1 for 0 so that no reader
     * gets in between: a reader that fails waits for the stripe and finds the new one.
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

    /** Kinds of values that are worth different amounts by the byte. */
    private static final int KINDS = 3;

    private final BlobPool pool;
    private final NanoClock clock;
    private final ReuseModel model = new ReuseModel();
    private final PartWorth parts = new PartWorth();
    private final @Nullable ReuseHistory history;
    private final LossLog losses;
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
        volatile Content content;
        volatile boolean cut;

        /** Parts that a colder tier holds as well: fewer are not worth holding here. */
        volatile int partsElsewhere;

        // Two uses at the same time may count as one: an estimate needs no more.
        volatile int uses;
        volatile long lastUse;

        Held(Content content, int partsElsewhere, int uses, long lastUse) {
            this.content = content;
            this.partsElsewhere = partsElsewhere;
            this.uses = uses;
            this.lastUse = lastUse;
        }

        boolean canLosePart() {
            ChunkMeta meta = content.meta;
            return meta.cutCount() > 1 && meta.quality() - 1 > partsElsewhere;
        }

        @Override
        public long weight() {
            return content.weight;
        }
    }

    /** What is held, as one: readers take meta and bytes that belong together. */
    private record Content(ChunkMeta meta, PooledBlob blob, long weight) {
        static Content of(ChunkMeta meta, PooledBlob blob) {
            return new Content(meta, blob, HotTier.weight(meta, blob));
        }
    }

    /** A tier that nobody asks what became of its values. */
    public HotTier(BlobPool pool, HotTierOptions options, NanoClock clock) {
        this(pool, options, clock, new LossLog(1, clock));
    }

    /**
     * @param pool where the values come from; it must outlive the tier
     * @param clock by which values age
     * @param losses is told of what is evicted
     */
    public HotTier(BlobPool pool, HotTierOptions options, NanoClock clock, LossLog losses) {
        this.pool = pool;
        this.clock = clock;
        this.losses = losses;
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
        if (durability == Durability.DISK) {
            throw new InvalidRequestException("the hot tier holds MEMORY only, got DISK");
        }
        return put(key, meta, value, 0);
    }

    /**
     * Puts a value of which a colder tier holds so many parts, too: it is given up rather than cut
     * to no more than these.
     */
    PutOutcome put(StoreKey key, ChunkMeta meta, Blob value, int partsElsewhere) {
        StoreCounters.requireMatch(meta, value);
        requireOpen();
        if (!admits(meta, value)) {
            counters.refused.increment();
            throw new OverloadedException(
                    "value of " + value.bytes() + " bytes exceeds hot bytesMax=" + bytesMax,
                    Duration.ofSeconds(1));
        }
        PutOutcome outcome = insert(key, meta, value, partsElsewhere);
        shrink();
        return counters.count(outcome);
    }

    /** Says that a colder tier has come to hold so many parts of a value that may be held here. */
    void heldElsewhere(StoreKey key, int parts) {
        Held held = map.peek(key);
        if (held != null) {
            held.partsElsewhere = parts;
        }
    }

    private PutOutcome insert(StoreKey key, ChunkMeta meta, Blob value, int partsElsewhere) {
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            requireOpen();
            PutOutcome outcome = PutOutcome.decide(find(key), meta);
            switch (outcome) {
                case PutOutcome.Stored s -> keep(key, meta, value, partsElsewhere);
                case PutOutcome.Replaced r -> keep(key, meta, value, partsElsewhere);
                case PutOutcome.AlreadyPresent a -> {}
                case PutOutcome.KeptOther k -> {}
            }
            return outcome;
        } finally {
            stripe.unlock();
        }
    }

    private void keep(StoreKey key, ChunkMeta meta, Blob value, int partsElsewhere) {
        Content content = Content.of(meta, (PooledBlob) value.retain());
        long now = clock.nanoTime();
        Held before = map.peek(key);
        if (before != null && before.cut) {
            parts.replaced();
            count(before, now);
        }
        int uses = before == null ? usesBefore(key, now) : before.uses;
        Held old = map.put(key, new Held(content, partsElsewhere, uses, now));
        if (old != null) {
            old.content.blob.close();
        }
        if (meta.cutCount() > 1) {
            parts.put(meta);
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
        if (history != null) {
            count(held, clock.nanoTime());
        }
    }

    private void count(Held held, long now) {
        long age = now - held.lastUse;
        if (age >= SAME_USE.toNanos()) {
            model.reused(held.uses, age);
            held.uses = Math.min(held.uses + 1, ReuseModel.USES_MAX);
            if (held.cut) {
                parts.used();
            }
        }
        held.lastUse = now;
    }

    @Override
    public Optional<ChunkMeta> find(StoreKey key) {
        requireOpen();
        Held held = map.peek(key);
        return held == null ? Optional.empty() : Optional.of(held.content.meta);
    }

    @Override
    public Optional<StoredChunk> open(StoreKey key) {
        requireOpen();
        for (Held held = map.touch(key); held != null; held = map.touch(key)) {
            Content content = held.content;
            PooledBlob blob = content.blob.tryRetain();
            if (blob != null) {
                use(held);
                counters.hits.increment();
                return Optional.of(new StoredChunk(content.meta, blob));
            }
            awaitWriter(key);
        }
        counters.misses.increment();
        return Optional.empty();
    }

    @Override
    public Optional<StoredChunk> hold(StoreKey key) {
        requireOpen();
        Held held = map.peek(key);
        if (held == null) {
            return Optional.empty();
        }
        Content content = held.content;
        PooledBlob blob = content.blob.tryRetain();
        // Without it, the value is going or being cut at this moment: then it is not protected.
        return blob == null ? Optional.empty() : Optional.of(new StoredChunk(content.meta, blob));
    }

    @Override
    public void touch(List<StoreKey> chain) {
        requireOpen();
        for (StoreKey key : chain.reversed()) {
            Held held = map.touch(key);
            if (held != null) {
                use(held);
            }
        }
    }

    @Override
    public boolean remove(StoreKey key) {
        requireOpen();
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            Held held = map.remove(key);
            if (held == null) {
                return false;
            }
            held.content.blob.close();
            return true;
        } finally {
            stripe.unlock();
        }
    }

    @SuppressWarnings("LockNotBeforeTry") // nothing happens in between
    private void awaitWriter(StoreKey key) {
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        stripe.unlock();
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
        map.keys().forEach(this::drop);
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

    private void drop(StoreKey key) {
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            Held held = map.remove(key);
            if (held != null) {
                held.content.blob.close();
            }
        } finally {
            stripe.unlock();
        }
    }

    private long evict(long atLeast) {
        long weight = Math.max(atLeast, bytesMax >> BATCH_SHIFT);
        long freed = 0;
        // Where all of these are open and cannot be cut, more are looked at: the newest value is
        // open while it is put, and if it went for having the last part, it would leave orphans.
        for (long look = weight; freed == 0 && look < 4 * bytesMax; look *= 4) {
            freed = giveUp(leastWorth(look), weight, false);
        }
        return freed > 0 ? freed : giveUp(leastWorth(weight), weight, true);
    }

    /** Gives up the next of each; what is open cannot be cut, and goes only if it {@code must}. */
    private long giveUp(List<RecencyMap.Entry<Held>> least, long weight, boolean must) {
        long freed = 0;
        for (RecencyMap.Entry<Held> entry : least) {
            ReentrantLock stripe = stripes.of(entry.key());
            stripe.lock();
            try {
                freed += giveUp(entry.key(), entry.value(), must);
            } finally {
                stripe.unlock();
            }
            if (freed >= weight) {
                break;
            }
        }
        return freed;
    }

    private long giveUp(StoreKey key, Held held, boolean must) {
        long weight = held.weight();
        if (losesPart(held) && map.peek(key) == held) {
            if (cut(held)) {
                long freed = weight - held.weight();
                map.lighten(freed);
                counters.shrunk.increment();
                return freed;
            }
            if (!must) {
                return 0;
            }
        }
        if (!map.remove(key, held)) {
            return 0;
        }
        held.content.blob.close();
        counters.evicted.increment();
        losses.add(key, LossCause.EVICTED_FROM_MEMORY);
        if (history != null) {
            history.add(key, held.uses, held.lastUse);
        }
        return weight;
    }

    private boolean losesPart(Held held) {
        return history != null && parts.partsFirst() && held.canLosePart();
    }

    /**
     * Takes the last part away. What stays moves to a hole that an earlier cut has left, so that
     * whole values find room; without such a hole it stays in its place, unless a reader is there.
     */
    private static boolean cut(Held held) {
        PooledBlob whole = held.content.blob;
        ChunkMeta meta = held.content.meta;
        ChunkMeta shorter = meta.cutAt(meta.cutCount() - 2);
        PooledBlob moved = whole.copyToHole(shorter.bytes());
        PooledBlob blob = moved == null ? whole.shorten(shorter.bytes()) : moved;
        if (blob == null) {
            return false;
        }
        held.cut = true;
        held.content = Content.of(shorter, blob);
        if (moved != null) {
            whole.close();
        }
        return true;
    }

    /** Bytes that giving up the next of a value frees, about: pages are not looked at. */
    private long freed(Held held) {
        ChunkMeta meta = held.content.meta;
        return losesPart(held) ? meta.bytes() - meta.bytesAt(meta.cutCount() - 2) : held.weight();
    }

    /** Values with a part to lose, without, and such as were cut: each has a worth by the byte. */
    private int classOf(Held held) {
        int kind = losesPart(held) ? 0 : held.cut ? 1 : 2;
        return kind * ReuseModel.CLASSES + held.uses;
    }

    private double worth(Held held, long now) {
        double byByte = losesPart(held) ? parts.ofPart() : held.cut ? parts.ofRest() : 1;
        return byByte * model.worth(held.uses, now - held.lastUse);
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
                parts.fit();
                if (fits % FORGET_EVERY == 0) {
                    model.forget();
                    parts.forget();
                }
            }
        } finally {
            evicting.unlock();
        }
        long now = clock.nanoTime();
        return map.leastWorth(
                weight,
                new WorthOrder.Valuation<>(
                        KINDS * ReuseModel.CLASSES,
                        this::classOf,
                        held -> worth(held, now),
                        this::freed));
    }

    private void requireOpen() {
        if (closed) {
            throw new UnavailableException("the hot tier is closed");
        }
    }
}
