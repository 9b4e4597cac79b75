package io.kvtier.storage;

import io.kvtier.storage.PutOutcome.AlreadyPresent;
import io.kvtier.storage.PutOutcome.KeptOther;
import io.kvtier.storage.PutOutcome.Replaced;
import io.kvtier.storage.PutOutcome.Stored;

import org.jspecify.annotations.Nullable;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.ReentrantLock;

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
    private final LossLog losses;

    /** One read from the cold tier, and all who wait for it. */
    private static final class ColdRead extends CompletableFuture<Optional<StoredChunk>> {}

    /** Takes over both tiers; nobody asks what became of their values. */
    public TieredChunkStore(HotTier hot, ChunkStore cold) {
        this(hot, cold, new LossLog(1, NanoClock.system()));
    }

    /**
     * Takes over both tiers.
     *
     * @param losses is told by both, and by this store, of what they let go
     */
    public TieredChunkStore(HotTier hot, ChunkStore cold, LossLog losses) {
        this.hot = hot;
        this.cold = cold;
        this.losses = losses;
    }

    @Override
    public PutOutcome put(StoreKey key, ChunkMeta meta, Blob value, Durability durability) {
        StoreCounters.requireMatch(meta, value);
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            PutOutcome outcome =
                    switch (PutOutcome.decide(find(key), meta)) {
                        case Stored stored -> keep(key, meta, value, durability, stored);
                        case Replaced replaced -> keep(key, meta, value, durability, replaced);
                        case AlreadyPresent present ->
                                durability == Durability.DISK
                                        ? persist(key, meta, value, present)
                                        : present;
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

    private PutOutcome keep(
            StoreKey key, ChunkMeta meta, Blob value, Durability durability, PutOutcome outcome) {
        boolean admitted = hot.admits(meta, value);
        if (durability == Durability.DISK || !admitted) {
            var _ = cold.put(key, meta, value, durability);
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
        return meta.isPresent() ? meta : cold.find(key);
    }

    @Override
    public Optional<StoredChunk> open(StoreKey key) {
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
        (chunk.isPresent() ? counters.hits : counters.misses).increment();
        return chunk;
    }

    @Override
    public Optional<StoredChunk> hold(StoreKey key) {
        return hot.hold(key);
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
            if (wasHot || wasCold) {
                losses.add(key, LossCause.REMOVED);
            }
            return wasHot || wasCold;
        } finally {
            stripe.unlock();
        }
    }

    @Override
    public Optional<Loss> lossOf(StoreKey key) {
        return losses.find(key);
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
