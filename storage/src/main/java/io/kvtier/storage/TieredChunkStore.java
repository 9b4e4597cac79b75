package io.kvtier.storage;

import io.kvtier.storage.PutOutcome.AlreadyPresent;
import io.kvtier.storage.PutOutcome.KeptOther;
import io.kvtier.storage.PutOutcome.Replaced;
import io.kvtier.storage.PutOutcome.Stored;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A hot tier over a cold one: what a node serves from.
 *
 * <p>{@link Durability#DISK} puts go to the cold tier first and then, without a copy, to the hot
 * one; {@link Durability#MEMORY} puts stay in the hot tier if it can hold them at all. A value
 * found cold is read once, however many ask for it at the same time, and promoted.
 *
 * <p>Ownership: owns both tiers and closes them; the pool is its maker's.
 */
public final class TieredChunkStore implements ChunkStore {
    /* Where both tiers hold a key, the hot one holds the better value, or the same: puts see to it
     * under the key's stripe. So reads ask the hot tier first and take what it has.
     *
     * A cold read must not bring back what a put or a remove has just superseded. Both end the read
     * that is in flight for their key (later readers start their own), and the reader promotes
     * under the stripe, only if the cold tier still holds what it read.
     */
    private final HotTier hot;
    private final ChunkStore cold;
    private final Stripes stripes = new Stripes();
    private final ConcurrentHashMap<StoreKey, ColdRead> reads = new ConcurrentHashMap<>();
    private final StoreCounters counters = new StoreCounters();
    private final Retention retention;

    /** One read from the cold tier, and all who wait for it. */
    private static final class ColdRead extends CompletableFuture<Optional<StoredChunk>> {}

    /**
     * Takes over both tiers.
     *
     * @param retention what both of them go by; its maker's
     */
    public TieredChunkStore(HotTier hot, ChunkStore cold, Retention retention) {
        this.hot = hot;
        this.cold = cold;
        this.retention = retention;
        retention.keepOnly(this::isHeld);
    }

    @Override
    public PutOutcome put(StoreKey key, ChunkMeta meta, Blob value, Durability durability) {
        StoreCounters.requireMatch(meta, value);
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            PutOutcome outcome =
                    switch (PutOutcome.decide(find(key), meta)) {
                        case Stored stored -> {
                            retention.setExpiry(key, Term.UNSAID);
                            yield keep(key, meta, value, durability, stored);
                        }
                        case Replaced _ -> replace(key, meta, value, durability);
                        case AlreadyPresent present -> {
                            prolong(key, present.held(), meta.expiryMillis());
                            yield durability == Durability.DISK
                                    ? persist(key, meta, value, present)
                                    : present;
                        }
                        case KeptOther other -> other;
                    };
            return counters.count(outcome);
        } catch (OverloadedException | UnavailableException e) {
            counters.refused.increment();
            throw e;
        } finally {
            stripe.unlock();
        }
    }

    /** Who puts a value wants it for so long at least: the later end counts. */
    private PutOutcome replace(StoreKey key, ChunkMeta meta, Blob value, Durability durability) {
        long before =
                find(key)
                        .map(held -> retention.expiryMillis(key, held))
                        .orElse(meta.expiryMillis());
        ChunkMeta later = meta.withExpiryMillis(Math.max(before, meta.expiryMillis()));
        PutOutcome outcome = keep(key, later, value, durability, new Replaced(later));
        retention.setExpiry(key, Term.UNSAID);
        return outcome;
    }

    private void prolong(StoreKey key, ChunkMeta held, long expiryMillis) {
        if (retention.expiryMillis(key, held) < expiryMillis) {
            say(key, expiryMillis);
        }
    }

    private void say(StoreKey key, long expiryMillis) {
        if (retention.isFull()) {
            retention.keepOnly(this::isHeld);
        }
        retention.setExpiry(key, expiryMillis);
    }

    private PutOutcome keep(
            StoreKey key, ChunkMeta meta, Blob value, Durability durability, PutOutcome outcome) {
        boolean admitted = hot.admits(meta, value);
        boolean pinned = retention.isPinned(key);
        if (pinned) {
            retention.pin(key, meta.bytes());
        }
        if (durability == Durability.DISK || !admitted || pinned) {
            var _ = cold.put(key, meta, value, pinned ? Durability.DISK : durability);
        }
        if (admitted) {
            var _ = hot.put(key, meta, value, partsOf(cold.find(key)));
        } else {
            var _ = hot.remove(key);
        }
        reads.remove(key);
        return outcome;
    }

    /** The encoding is held already, but perhaps in memory only: writes the better one of both. */
    private PutOutcome persist(StoreKey key, ChunkMeta meta, Blob value, AlreadyPresent present) {
        try (StoredChunk held = hot.open(key).orElse(null)) {
            if (held == null || held.meta().quality() < meta.quality()) {
                // It was given up, or cut, since it was found.
                PutOutcome outcome = cold.put(key, meta, value, Durability.DISK);
                if (held != null) {
                    var _ = hot.put(key, meta, value, outcome.held().quality());
                }
                return outcome;
            }
            var _ = cold.put(key, held.meta(), held.blob(), Durability.DISK);
            // While it is open it is not cut: from here on not below what the disk has.
            hot.heldElsewhere(key, partsOf(cold.find(key)));
            return present;
        }
    }

    @Override
    public Optional<ChunkMeta> find(StoreKey key) {
        Optional<ChunkMeta> meta = hot.find(key);
        if (meta.isEmpty()) {
            meta = cold.find(key);
        }
        if (meta.isPresent() && retention.isOver(key, meta.get())) {
            expire(key);
            return Optional.empty();
        }
        return meta;
    }

    private boolean isHeld(StoreKey key) {
        return hot.find(key).isPresent() || cold.find(key).isPresent();
    }

    /** Lets a value go whose time is over; whoever is putting one instead needs no help. */
    private void expire(StoreKey key) {
        ReentrantLock stripe = stripes.of(key);
        if (!stripe.tryLock()) {
            return;
        }
        try {
            Optional<ChunkMeta> held = hot.find(key).or(() -> cold.find(key));
            if (held.isPresent() && retention.isOver(key, held.get())) {
                boolean _ = cold.discard(key);
                boolean _ = hot.remove(key);
                reads.remove(key);
                retention.lost(key, LossCause.EXPIRED);
            }
        } finally {
            stripe.unlock();
        }
    }

    @Override
    public Optional<StoredChunk> open(StoreKey key) {
        Optional<StoredChunk> chunk = openFrom(key);
        if (chunk.isPresent() && retention.isOver(key, chunk.get().meta())) {
            chunk.get().close();
            expire(key);
            chunk = Optional.empty();
        }
        (chunk.isPresent() ? counters.hits : counters.misses).increment();
        return chunk;
    }

    private Optional<StoredChunk> openFrom(StoreKey key) {
        Optional<StoredChunk> chunk = hot.open(key);
        while (chunk.isEmpty() && cold.find(key).isPresent()) {
            ColdRead mine = new ColdRead();
            ColdRead other = reads.putIfAbsent(key, mine);
            if (other == null) {
                chunk = lead(key, mine);
                break;
            }
            StoredChunk shared = await(other);
            if (shared == null) {
                break;
            }
            // The leader may have closed it, and the hot tier evicted it, before we got here.
            PooledBlob blob = ((PooledBlob) shared.blob()).tryRetain();
            chunk =
                    blob == null
                            ? hot.open(key)
                            : Optional.of(new StoredChunk(shared.meta(), blob));
        }
        return chunk;
    }

    @Override
    public Optional<StoredChunk> hold(StoreKey key) {
        return hot.hold(key);
    }

    @Override
    public long holdOnDisk(StoreKey key) {
        retention.hold(key);
        // Now it is not evicted any more: if it is there, it stays.
        Optional<ChunkMeta> held = cold.find(key).filter(meta -> !retention.isOver(key, meta));
        if (held.isEmpty()) {
            retention.letGo(key);
        }
        return held.map(ChunkMeta::bytes).orElse(0L);
    }

    @Override
    public void letGoOnDisk(StoreKey key) {
        retention.letGo(key);
    }

    private Optional<StoredChunk> lead(StoreKey key, ColdRead read) {
        try {
            Optional<StoredChunk> chunk = cold.open(key);
            chunk.ifPresent(found -> promote(key, found));
            read.complete(chunk);
            return chunk;
        } catch (OverloadedException | UnavailableException e) {
            read.completeExceptionally(e);
            throw e;
        } finally {
            reads.remove(key, read);
            // After an error that nobody expects, those who wait must not wait for ever.
            read.completeExceptionally(new UnavailableException("cold read broke off"));
        }
    }

    private void promote(StoreKey key, StoredChunk found) {
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            boolean current = cold.find(key).filter(held -> held.equals(found.meta())).isPresent();
            if (current && hot.admits(found.meta(), found.blob())) {
                var _ = hot.put(key, found.meta(), found.blob(), found.meta().quality());
            }
        } finally {
            stripe.unlock();
        }
    }

    private static int partsOf(Optional<ChunkMeta> held) {
        return held.map(ChunkMeta::quality).orElse(0);
    }

    private static @Nullable StoredChunk await(ColdRead read) {
        try {
            return read.get().orElse(null);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UnavailableException("interrupted while waiting for a cold read", e);
        } catch (ExecutionException e) {
            throw switch (e.getCause()) {
                case OverloadedException o ->
                        new OverloadedException(String.valueOf(o.getMessage()), o.retryAfter(), o);
                case null, default -> new UnavailableException("cold read failed: " + e, e);
            };
        }
    }

    @Override
    public void touch(List<StoreKey> chain) {
        hot.touch(chain);
        cold.touch(chain);
    }

    @Override
    public boolean remove(StoreKey key) {
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            boolean wasCold = cold.remove(key);
            boolean wasHot = hot.remove(key);
            reads.remove(key);
            var _ = retention.unpin(key);
            if (wasHot || wasCold) {
                retention.lost(key, LossCause.REMOVED);
            }
            return wasHot || wasCold;
        } finally {
            stripe.unlock();
        }
    }

    @Override
    public long nowMillis() {
        return retention.nowMillis();
    }

    @Override
    public boolean setExpiry(StoreKey key, long expiryMillis) {
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            Optional<ChunkMeta> held = find(key);
            held.ifPresent(
                    meta ->
                            say(
                                    key,
                                    meta.expiryMillis() == expiryMillis
                                            ? Term.UNSAID
                                            : expiryMillis));
            return held.isPresent();
        } finally {
            stripe.unlock();
        }
    }

    @Override
    public boolean pin(StoreKey key) {
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            if (retention.isFull()) {
                retention.keepOnly(this::isHeld);
            }
            // Not by the cold read that others share: whoever leads it wants this stripe.
            try (StoredChunk held =
                    find(key).flatMap(_ -> hot.open(key).or(() -> cold.open(key))).orElse(null)) {
                if (held != null) {
                    pin(key, held);
                }
                return held != null;
            }
        } finally {
            stripe.unlock();
        }
    }

    /** First the pin, so that nobody evicts from the disk what has just been written there. */
    private void pin(StoreKey key, StoredChunk held) {
        boolean wasPinned = retention.isPinned(key);
        retention.pin(key, held.meta().bytes());
        try {
            var _ = cold.put(key, held.meta(), held.blob(), Durability.DISK);
            hot.heldElsewhere(key, partsOf(cold.find(key)));
            // Once more: it may have been evicted from memory before, and the pin with it.
            retention.pin(key, held.meta().bytes());
        } catch (OverloadedException | UnavailableException e) {
            if (!wasPinned) {
                var _ = retention.unpin(key);
            }
            throw e;
        }
    }

    @Override
    public boolean unpin(StoreKey key) {
        return retention.unpin(key);
    }

    @Override
    public boolean isPinned(StoreKey key) {
        return retention.isPinned(key);
    }

    @Override
    public Optional<Loss> lossOf(StoreKey key) {
        return retention.losses().find(key);
    }

    @Override
    public StoreStats stats() {
        StoreStats hotStats = hot.stats();
        StoreStats coldStats = cold.stats();
        return counters.stats(
                "tiered",
                hotStats.entries() + coldStats.entries(),
                hotStats.bytes() + coldStats.bytes(),
                hotStats.bytesMax() + coldStats.bytesMax(),
                List.of(hotStats, coldStats));
    }

    @Override
    public void close() {
        hot.close();
        cold.close();
    }
}
