package io.kvtier.storage.log;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.kvtier.storage.Blob;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.CorruptChunkException;
import io.kvtier.storage.Durability;
import io.kvtier.storage.MetaRecord;
import io.kvtier.storage.OverloadedException;
import io.kvtier.storage.PutOutcome;
import io.kvtier.storage.ScrubCounts;
import io.kvtier.storage.StoreCounters;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.StoreStats;
import io.kvtier.storage.StoredChunk;
import io.kvtier.storage.Stripes;
import io.kvtier.storage.UnavailableException;
import io.kvtier.storage.WritableBlob;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/**
 * Values on disk, in an append-only log; least recently used out first.
 *
 * <p>{@link Durability#DISK} puts return once the log is synced (concurrent ones share a sync) and
 * are seen by nobody before; {@link Durability#MEMORY} puts skip the sync. Every value that is read
 * is checked against a CRC32C of its bytes, key and generation.
 *
 * <p>A failed write refuses puts for {@link LogStoreOptions#retryAfter}, then the store goes on in
 * a new segment; reads go on meanwhile. Metas are read from the log, through a cache of bounded
 * size: a lookup of a value that was not asked for lately may wait for the disk.
 */
public final class LogChunkStore implements ChunkStore {
    /* design
     * Readers take a place and a reference to its segment in one step, and read without a lock:
     * segments are never written over, and a file stays readable until its last reader is done.
     *
     * Locks, outermost first: gate (shared by calls, exclusive for close), stripe of a key (its
     * writers), the compactor's `running` and `moving`, the log's `flushing`, a stream's lock, the
     * index's lock.
     */
    private static final int READ_ATTEMPTS_MAX = 8;

    private final BlobPool pool;
    private final LogStoreOptions options;
    private final LogEngine engine;
    private final StoreCounters counters = new StoreCounters();
    private final Stripes stripes = new Stripes();
    private final ReentrantReadWriteLock gate = new ReentrantReadWriteLock();
    private final Cache<StoreKey, Known> metas;
    private volatile boolean closed;

    /** A record as it was read: compaction may have cut its value since, which has other bytes. */
    private record Known(MetaRecord record, int recordBytes) {
        boolean isOf(Location at) {
            return record.generation() == at.generation() && recordBytes == at.recordBytes();
        }
    }

    /**
     * Opens the store and reads its index.
     *
     * @param pool where values are read into; it must outlive the store
     * @throws UnavailableException if the folder cannot be used, with what to do about it
     */
    public LogChunkStore(BlobPool pool, LogStoreOptions options, LogSurroundings surroundings) {
        this(pool, options, surroundings, null);
    }

    LogChunkStore(
            BlobPool pool,
            LogStoreOptions options,
            LogSurroundings surroundings,
            @Nullable Medium medium) {
        this.pool = pool;
        this.options = options;
        this.metas =
                Caffeine.newBuilder()
                        .maximumWeight(options.metaCacheBytes())
                        .weigher((StoreKey key, Known known) -> weight(known.record()))
                        .executor(Runnable::run)
                        .build();
        this.engine = LogEngine.open(options, surroundings, medium, counters);
    }

    @Override
    public PutOutcome put(StoreKey key, ChunkMeta meta, Blob value, Durability durability) {
        StoreCounters.requireMatch(meta, value);
        gate.readLock().lock();
        try {
            requireOpen();
            engine.refuseIfFailed();
            PutOutcome outcome = write(key, meta, value, durability == Durability.DISK);
            engine.maintain();
            return counters.count(outcome);
        } catch (OverloadedException | UnavailableException e) {
            counters.refused.increment();
            throw e;
        } finally {
            gate.readLock().unlock();
        }
    }

    private PutOutcome write(StoreKey key, ChunkMeta meta, Blob value, boolean sync) {
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            PutOutcome outcome = PutOutcome.decide(find(key), meta);
            switch (outcome) {
                case PutOutcome.Stored s -> append(key, meta, value, sync);
                case PutOutcome.Replaced r -> append(key, meta, value, sync);
                case PutOutcome.AlreadyPresent present -> {
                    if (sync && !syncHeld(key)) {
                        // What is held cannot be made durable any more: this is as good or less.
                        append(key, meta, value, true);
                        return new PutOutcome.AlreadyPresent(meta);
                    }
                }
                case PutOutcome.KeptOther k -> {}
            }
            return outcome;
        } finally {
            stripe.unlock();
        }
    }

    private void append(StoreKey key, ChunkMeta meta, Blob value, boolean sync) {
        long generation = engine.nextGeneration();
        ByteBuffer body = value.segment().asByteBuffer();
        MetaRecord record =
                new MetaRecord(
                        meta, generation, MetaRecord.valueCrc(key, generation, body.duplicate()));
        ByteBuffer head = ByteBuffer.wrap(record.encode(key));
        Location location = engine.append(key, generation, head, body, sync);
        engine.index().put(key, location);
        var _ = location.segment().unpublished().decrementAndGet();
        metas.put(key, new Known(record, location.recordBytes()));
    }

    /** Makes the value durable that is held; false if its segment is beyond that. */
    private boolean syncHeld(StoreKey key) {
        Location held = engine.index().open(key, false);
        if (held == null) {
            return false;
        }
        Segment segment = held.segment();
        try {
            if (!segment.isDurable(held.end()) && segment.isBroken()) {
                return false;
            }
            engine.guard(() -> segment.sync(held.end()));
            return true;
        } finally {
            segment.release();
        }
    }

    @Override
    public Optional<ChunkMeta> find(StoreKey key) {
        requireOpen();
        gate.readLock().lock();
        try {
            requireOpen();
            for (int attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt++) {
                Location at = engine.index().open(key, false);
                if (at == null) {
                    break;
                }
                try {
                    Known known = metas.getIfPresent(key);
                    if (known == null || !known.isOf(at)) {
                        MetaRecord read = readRecord(key, at, readHead(key, at));
                        known = new Known(read, at.recordBytes());
                        metas.put(key, known);
                    }
                    return Optional.of(known.record().meta());
                } catch (CorruptChunkException e) {
                    quarantine(key, at, MemorySegment.NULL, e);
                } finally {
                    at.segment().release();
                }
            }
            return Optional.empty();
        } finally {
            gate.readLock().unlock();
        }
    }

    @Override
    public Optional<StoredChunk> open(StoreKey key) {
        gate.readLock().lock();
        try {
            requireOpen();
            for (int attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt++) {
                Location at = engine.index().open(key, true);
                if (at == null) {
                    break;
                }
                engine.pace().readStarts();
                try {
                    StoredChunk chunk = read(key, at);
                    counters.hits.increment();
                    return Optional.of(chunk);
                } catch (CorruptChunkException e) {
                    quarantine(key, at, MemorySegment.NULL, e);
                } finally {
                    engine.pace().readEnds();
                    at.segment().release();
                }
            }
            counters.misses.increment();
            return Optional.empty();
        } finally {
            gate.readLock().unlock();
        }
    }

    private StoredChunk read(StoreKey key, Location at) throws CorruptChunkException {
        RecordHead head = readHead(key, at);
        MetaRecord record = readRecord(key, at, head);
        try (WritableBlob target = pool.allocate(record.meta().bytes())) {
            ByteBuffer bytes = target.segment().asByteBuffer();
            try {
                at.segment().file().read((long) at.offset() + head.headBytes(), bytes);
            } catch (EOFException e) {
                throw new CorruptChunkException(key, "value", "a whole record", e.toString());
            } catch (IOException e) {
                throw unreadable(at, e);
            }
            int crc = MetaRecord.valueCrc(key, record.generation(), bytes.flip());
            if (crc != record.valueCrc()) {
                CorruptChunkException corrupt =
                        new CorruptChunkException(
                                key,
                                "value",
                                "crc " + Integer.toHexString(record.valueCrc()),
                                "crc " + Integer.toHexString(crc));
                quarantine(key, at, target.segment(), corrupt);
                throw corrupt;
            }
            metas.put(key, new Known(record, at.recordBytes()));
            return new StoredChunk(record.meta(), target.seal());
        }
    }

    private static RecordHead readHead(StoreKey key, Location at) throws CorruptChunkException {
        try {
            return at.segment()
                    .readHead(at.offset(), at.recordBytes())
                    .orElseThrow(
                            () -> new CorruptChunkException(key, "head", "a sound head", "none"));
        } catch (IOException e) {
            throw unreadable(at, e);
        }
    }

    private static MetaRecord readRecord(StoreKey key, Location at, RecordHead head)
            throws CorruptChunkException {
        MetaRecord record =
                Recovery.metaRecord(head)
                        .filter(found -> found.generation() == at.generation())
                        .filter(found -> found.meta().bytes() == head.bodyBytes())
                        .filter(found -> head.key().equals(key))
                        .orElse(null);
        if (record == null) {
            throw new CorruptChunkException(
                    key, "head", "generation " + at.generation() + " of this key", "another");
        }
        return record;
    }

    private static UnavailableException unreadable(Location at, IOException e) {
        return new UnavailableException(
                at.segment().path() + " cannot be read: " + e + "; check the disk", e);
    }

    /** Takes a bad value out of service, once; if it had been replaced, there is nothing to do. */
    private void quarantine(
            StoreKey key, Location at, MemorySegment bytes, CorruptChunkException why) {
        if (engine.index().remove(key, at)) {
            engine.setAside(key, at.generation(), bytes, why.getMessage());
        }
    }

    @Override
    public boolean remove(StoreKey key) {
        gate.readLock().lock();
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            requireOpen();
            engine.refuseIfFailed();
            return engine.remove(key);
        } finally {
            stripe.unlock();
            gate.readLock().unlock();
        }
    }

    @Override
    public boolean discard(StoreKey key) {
        gate.readLock().lock();
        try {
            requireOpen();
            Location held = engine.index().peek(key);
            return held != null && engine.index().remove(key, held);
        } finally {
            gate.readLock().unlock();
        }
    }

    @Override
    public StoreStats stats() {
        SlotIndex index = engine.index();
        return counters.stats("log", index.size(), index.bytes(), options.bytesMax(), List.of());
    }

    /** Heap bytes of the index: what each value costs while it is on disk. */
    public long indexBytes() {
        return engine.index().memoryBytes();
    }

    /** What the store did to its medium since it was opened. */
    public LogTraffic traffic() {
        return engine.traffic();
    }

    /**
     * Reads some of what is held again, from where the last call ended, and quarantines what is
     * damaged; counts as no use.
     *
     * @param bytesMax to read, about: one value more at most
     * @return bytes that were read; 0 at the end of a pass over all values
     */
    public long scrub(long bytesMax) {
        gate.readLock().lock();
        try {
            requireOpen();
            return engine.scrubber().scrub(bytesMax);
        } catch (IOException e) {
            throw new UnavailableException(
                    "log in " + options.folder() + " cannot be read: " + e + "; check the disk", e);
        } finally {
            gate.readLock().unlock();
        }
    }

    /** What {@link #scrub} has read so far. */
    public ScrubCounts scrubbed() {
        return engine.scrubber().counts();
    }

    LogEngine engine() {
        return engine;
    }

    @Override
    public void close() {
        gate.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                engine.close();
            }
        } finally {
            gate.writeLock().unlock();
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new UnavailableException("the store in " + options.folder() + " is closed");
        }
    }

    private static int weight(MetaRecord record) {
        return (int) (record.meta().heapBytes() + 2 * StoreKey.BYTES);
    }
}
