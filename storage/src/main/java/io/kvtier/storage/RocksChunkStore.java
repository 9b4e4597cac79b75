package io.kvtier.storage;

import io.kvtier.storage.RocksDatabase.UnreadableException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Values on disk, in the blob files of a RocksDB; least recently used out first.
 *
 * <p>{@link Durability#DISK} puts return once the write-ahead log is synced (concurrent ones share
 * a sync); {@link Durability#MEMORY} puts skip the sync. Every value that is read is checked
 * against a CRC32C of its bytes, key and generation.
 *
 * <p>A database that will not open is moved to {@code quarantine-<time>} and the store starts
 * empty: a cold cache is better than a wrong one. A failed write refuses puts for {@link
 * RocksStoreOptions#retryAfter}, then the database is reopened; reads go on meanwhile.
 */
public final class RocksChunkStore implements ChunkStore {
    /* Values are written under a generation of their own, never over each other. So a reader who
     * holds an index entry either finds exactly that value or none; none means that the entry was
     * replaced, removed or evicted meanwhile, and the reader looks again. Only if the entry is
     * still in the index, seen under the key's lock (where writers publish), is the value lost.
     *
     * Locks, outermost first: gate (shared by calls, exclusive for reopen and close), stripe of a
     * key (writers, eviction and quarantine of that key).
     */
    private static final Logger log = LoggerFactory.getLogger(RocksChunkStore.class);
    static final String LAYOUT = "rocks 1";
    private static final String DATABASE = "db";
    private static final int READ_ATTEMPTS_MAX = 8;
    private static final long WARN_EVERY_NANOS = Duration.ofSeconds(1).toNanos();

    private final BlobPool pool;
    private final RocksStoreOptions options;
    private final NanoClock clock;
    private final StoreFolder folder;
    private final LongSupplier usableBytes;
    private final StoreCounters counters = new StoreCounters();
    private final Stripes stripes = new Stripes();
    private final ReentrantReadWriteLock gate = new ReentrantReadWriteLock();
    private final AtomicLong generation = new AtomicLong();
    private final Retention retention;

    /** Null when it did not come back after a failure, or after the close; guarded by the gate. */
    private @Nullable RocksDatabase database;

    /** Replaced at reopen; guarded by the gate for writing. */
    private volatile ColdIndex index = new ColdIndex();

    private volatile boolean closed;
    private volatile @Nullable WriteFailure failure;
    private final AtomicLong warnedAtNanos;

    /** Compared by identity: the same trouble at another time is another failure. */
    private static final class WriteFailure {
        final StorageException cause;
        final long atNanos;

        WriteFailure(StorageException cause, long atNanos) {
            this.cause = cause;
            this.atNanos = atNanos;
        }
    }

    /**
     * Opens the store and reads its index.
     *
     * @param pool where values are read into; it must outlive the store
     * @param clock for the pause after a failed write
     * @param instants names what is set aside
     * @param retention which values stay; is told of those that do not
     * @throws UnavailableException if the folder cannot be used, with what to do about it
     */
    public RocksChunkStore(
            BlobPool pool,
            RocksStoreOptions options,
            NanoClock clock,
            InstantSource instants,
            Retention retention) {
        this(
                pool,
                options,
                clock,
                new StoreFolder(options.folder(), LAYOUT, instants, options.quarantineBytesMax()),
                null,
                retention);
    }

    RocksChunkStore(
            BlobPool pool,
            RocksStoreOptions options,
            NanoClock clock,
            StoreFolder folder,
            @Nullable LongSupplier usableBytes,
            Retention retention) {
        this.retention = retention;
        this.pool = pool;
        this.options = options;
        this.clock = clock;
        this.folder = folder;
        this.usableBytes = usableBytes == null ? folder::usableBytes : usableBytes;
        this.warnedAtNanos = new AtomicLong(clock.nanoTime() - WARN_EVERY_NANOS);
        open();
    }

    @Override
    public PutOutcome put(StoreKey key, ChunkMeta meta, Blob value, Durability durability) {
        StoreCounters.requireMatch(meta, value);
        try {
            reopenIfFailed();
            PutOutcome outcome = write(key, meta, value, durability == Durability.DISK);
            evictExcess();
            return counters.count(outcome);
        } catch (OverloadedException | UnavailableException e) {
            counters.refused.increment();
            throw e;
        }
    }

    private PutOutcome write(StoreKey key, ChunkMeta meta, Blob value, boolean sync) {
        gate.readLock().lock();
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            RocksDatabase open = requireDatabase();
            ColdIndex.Entry held = index.entries.peek(key);
            PutOutcome outcome =
                    PutOutcome.decide(
                            held == null ? Optional.empty() : Optional.of(held.meta()), meta);
            switch (outcome) {
                case PutOutcome.Stored s -> write(open, key, meta, value, held, sync);
                case PutOutcome.Replaced r -> write(open, key, meta, value, held, sync);
                case PutOutcome.AlreadyPresent a -> {
                    if (sync && held != null && !held.durable) {
                        guard(open::sync);
                        held.durable = true;
                    }
                }
                case PutOutcome.KeptOther k -> {}
            }
            return outcome;
        } finally {
            stripe.unlock();
            gate.readLock().unlock();
        }
    }

    private void write(
            RocksDatabase open,
            StoreKey key,
            ChunkMeta meta,
            Blob value,
            ColdIndex.@Nullable Entry replaced,
            boolean sync) {
        requireSpace(meta.bytes());
        long name = generation.incrementAndGet();
        MemorySegment bytes = value.segment();
        MetaRecord record =
                new MetaRecord(meta, name, MetaRecord.valueCrc(key, name, bytes.asByteBuffer()));
        long dropped = replaced == null ? 0 : replaced.generation();
        guard(() -> open.put(key, record, bytes, dropped, sync));
        ColdIndex.Entry old = index.entries.put(key, new ColdIndex.Entry(record, sync));
        if (old != null && old != replaced) {
            throw new AssertionError("entry of key " + key + " changed under its lock");
        }
    }

    @Override
    public Optional<ChunkMeta> find(StoreKey key) {
        requireOpen();
        ColdIndex.Entry entry = index.entries.peek(key);
        return entry == null ? Optional.empty() : Optional.of(entry.meta());
    }

    @Override
    public Optional<StoredChunk> open(StoreKey key) {
        gate.readLock().lock();
        try {
            RocksDatabase open = requireDatabase();
            for (int attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt++) {
                ColdIndex.Entry entry = index.entries.touch(key);
                if (entry == null) {
                    break;
                }
                try (WritableBlob target = pool.allocate(entry.meta().bytes())) {
                    try {
                        open.read(key, entry.record, target.segment());
                        counters.hits.increment();
                        return Optional.of(new StoredChunk(entry.meta(), target.seal()));
                    } catch (CorruptChunkException e) {
                        if (quarantine(open, key, entry, target.segment(), e)) {
                            break;
                        }
                    }
                }
            }
            counters.misses.increment();
            return Optional.empty();
        } finally {
            gate.readLock().unlock();
        }
    }

    /** Takes a bad value out of service; false if it had been replaced or removed meanwhile. */
    private boolean quarantine(
            RocksDatabase open,
            StoreKey key,
            ColdIndex.Entry entry,
            MemorySegment bytes,
            CorruptChunkException why) {
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            if (!index.entries.remove(key, entry)) {
                return false;
            }
            counters.quarantined.increment();
            retention.lost(key, LossCause.DAMAGED);
            log.error("value quarantined folder={} {}", folder.quarantine(), why.getMessage());
            folder.setAside(key, entry.generation(), bytes);
            deleteQuietly(open, key, entry);
            return true;
        } finally {
            stripe.unlock();
        }
    }

    @Override
    public boolean remove(StoreKey key) {
        gate.readLock().lock();
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            RocksDatabase open = requireDatabase();
            ColdIndex.Entry entry = index.entries.peek(key);
            if (entry == null) {
                return false;
            }
            // First the disk: whoever is told that it is gone may rely on it after a restart.
            guard(() -> open.delete(key, entry.generation(), true));
            return index.entries.remove(key, entry);
        } finally {
            stripe.unlock();
            gate.readLock().unlock();
        }
    }

    @Override
    public boolean discard(StoreKey key) {
        gate.readLock().lock();
        ReentrantLock stripe = stripes.of(key);
        stripe.lock();
        try {
            RocksDatabase open = requireDatabase();
            ColdIndex.Entry entry = index.entries.remove(key);
            if (entry != null) {
                deleteQuietly(open, key, entry);
            }
            return entry != null;
        } finally {
            stripe.unlock();
            gate.readLock().unlock();
        }
    }

    private void evictExcess() {
        gate.readLock().lock();
        try {
            RecencyMap<ColdIndex.Entry> entries = index.entries;
            long more = entries.size() - options.entriesMax();
            for (long looked = 0; !closed && more > 0 && looked <= entries.size(); looked++) {
                evict(entries.oldest(1));
                more = entries.size() - options.entriesMax();
            }
            long excess = entries.bytes() - options.bytesMax();
            // Pinned ones become the last used when their turn comes; if all are, it ends.
            for (long looked = 0; !closed && excess > 0 && looked <= entries.size(); ) {
                List<RecencyMap.Entry<ColdIndex.Entry>> victims = entries.oldest(excess);
                evict(victims);
                looked += Math.max(1, victims.size());
                excess = entries.bytes() - options.bytesMax();
            }
        } finally {
            gate.readLock().unlock();
        }
    }

    private void evict(List<RecencyMap.Entry<ColdIndex.Entry>> victims) {
        RocksDatabase open = database;
        for (RecencyMap.Entry<ColdIndex.Entry> victim : victims) {
            if (retention.mustStay(victim.key())) {
                var _ = index.entries.touch(victim.key());
                continue;
            }
            ReentrantLock stripe = stripes.of(victim.key());
            stripe.lock();
            try {
                if (index.entries.remove(victim.key(), victim.value())) {
                    counters.evicted.increment();
                    retention.lost(victim.key(), LossCause.EVICTED_FROM_DISK);
                    if (open != null) {
                        deleteQuietly(open, victim.key(), victim.value());
                    }
                }
            } finally {
                stripe.unlock();
            }
        }
    }

    /** A value that stays on disk without an entry wastes space until the next open, no more. */
    private void deleteQuietly(RocksDatabase open, StoreKey key, ColdIndex.Entry entry) {
        try {
            guard(() -> open.delete(key, entry.generation(), false));
        } catch (OverloadedException | UnavailableException e) {
            log.warn("delete failed key={} cause={}", key, e.getMessage());
        }
    }

    @Override
    public StoreStats stats() {
        RecencyMap<ColdIndex.Entry> entries = index.entries;
        return counters.stats(
                "rocks", entries.size(), entries.bytes(), options.bytesMax(), List.of());
    }

    @Override
    public void close() {
        gate.writeLock().lock();
        try {
            closed = true;
            RocksDatabase open = database;
            database = null;
            if (open == null) {
                return;
            }
            try (open) {
                open.flush();
            } catch (OverloadedException | UnavailableException e) {
                log.warn("last flush failed, the log will be replayed cause={}", e.getMessage());
            }
        } finally {
            gate.writeLock().unlock();
        }
    }

    private void open() {
        long start = clock.nanoTime();
        RocksDatabase open;
        try {
            open = openDatabase();
        } catch (UnreadableException e) {
            log.error(
                    "store does not open and is set aside, starting empty folder={} kept={}"
                            + " cause={}",
                    folder.part(DATABASE),
                    folder.setPartAside(DATABASE),
                    e.getMessage());
            counters.quarantined.increment();
            try {
                open = openDatabase();
            } catch (UnreadableException again) {
                throw new UnavailableException(
                        "an empty store does not open in " + folder.part(DATABASE), again);
            }
        }
        database = open;
        log.info(
                "store open folder={} entries={} bytes={} millis={}",
                folder.part(DATABASE),
                index.entries.size(),
                index.entries.bytes(),
                (clock.nanoTime() - start) / 1_000_000);
    }

    private RocksDatabase openDatabase() throws UnreadableException {
        RocksDatabase open = new RocksDatabase(folder.part(DATABASE), options);
        try {
            index = ColdIndex.load(open);
            counters.quarantined.add(index.unreadable());
            generation.accumulateAndGet(index.generationMax(), Math::max);
            return open;
        } catch (UnreadableException e) {
            open.close();
            throw e;
        }
    }

    /** After a failed write: refuses for a while, then starts the database afresh. */
    private void reopenIfFailed() {
        WriteFailure last = failure;
        if (last == null) {
            return;
        }
        if (clock.nanoTime() - last.atNanos < options.retryAfter().toNanos()) {
            throw refusal(last);
        }
        requireSpace(0);
        gate.writeLock().lock();
        try {
            if (failure != last || closed) {
                return;
            }
            RocksDatabase old = database;
            database = null;
            if (old != null) {
                old.close();
            }
            open();
            failure = null;
            log.info("store writes again folder={}", folder.part(DATABASE));
        } catch (OverloadedException | UnavailableException e) {
            failure = new WriteFailure(e, clock.nanoTime());
            throw e;
        } finally {
            gate.writeLock().unlock();
        }
    }

    /** Runs a write; if it fails, the database takes no more of them until it was reopened. */
    private void guard(Runnable write) {
        try {
            write.run();
        } catch (OverloadedException | UnavailableException e) {
            failure = new WriteFailure(e, clock.nanoTime());
            warn("write failed, store refuses puts for now", e);
            throw e;
        }
    }

    private StorageException refusal(WriteFailure last) {
        String message = "store refuses puts after a failed write: " + last.cause.getMessage();
        return last.cause instanceof OverloadedException
                ? new OverloadedException(message, options.retryAfter())
                : new UnavailableException(message);
    }

    private void requireSpace(long bytes) {
        long usable = usableBytes.getAsLong();
        // A value is written twice before its log file goes.
        if (usable < options.freeBytesMin() + 2 * bytes) {
            OverloadedException full =
                    new OverloadedException(
                            "disk of "
                                    + folder.part(DATABASE)
                                    + " has "
                                    + usable
                                    + " bytes free, freeBytesMin="
                                    + options.freeBytesMin()
                                    + ", to put "
                                    + bytes,
                            options.retryAfter());
            warn("disk full, puts refused", full);
            throw full;
        }
    }

    private void warn(String event, StorageException cause) {
        long now = clock.nanoTime();
        long before = warnedAtNanos.get();
        if (now - before >= WARN_EVERY_NANOS && warnedAtNanos.compareAndSet(before, now)) {
            log.warn("{} folder={} cause={}", event, folder.part(DATABASE), cause.getMessage());
        }
    }

    private RocksDatabase requireDatabase() {
        requireOpen();
        RocksDatabase open = database;
        if (open == null) {
            throw new UnavailableException(
                    "store in " + folder.part(DATABASE) + " did not reopen after a failed write");
        }
        return open;
    }

    private void requireOpen() {
        if (closed) {
            throw new UnavailableException("the store in " + folder.part(DATABASE) + " is closed");
        }
    }
}
