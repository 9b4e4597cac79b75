package io.kvtier.storage.log;

import io.kvtier.storage.FolderLock;
import io.kvtier.storage.LossCause;
import io.kvtier.storage.NanoClock;
import io.kvtier.storage.Retention;
import io.kvtier.storage.StoreCounters;
import io.kvtier.storage.StoreFolder;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.UnavailableException;
import io.kvtier.storage.log.IndexDatabase.LostException;
import io.kvtier.storage.log.SlotIndex.Held;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import jdk.nio.mapmode.ExtendedMapMode;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What turns a {@link LogChunkStore}'s wishes into appends: makes room, by eviction and compaction,
 * keeps the database up, and stops writing for a while when the disk fails.
 *
 * <p>Thread-safety: all methods; {@link #close} last.
 */
final class LogEngine {
    private static final Logger log = LoggerFactory.getLogger(LogEngine.class);
    static final String LAYOUT = "log 1";
    private static final String PART = "log";
    private static final int ROOM_ATTEMPTS_MAX = 64;

    /** With the attempts, a put waits for others for a second at most. */
    private static final int PAUSE_MILLIS_MAX = 20;

    private static final int PROBE_BYTES_MAX = 4 << 20;
    private static final int CHECKPOINT_SEGMENTS = 16;

    /** Segments of free room below which compaction starts, in a log of many. */
    private static final int TIGHT_SEGMENTS = 2;

    private final LogStoreOptions options;
    private final LogSurroundings surroundings;
    private final StoreCounters counters;
    private final Retention retention;
    private final StoreFolder folder;
    private final FileChannel lockFile;
    private final IndexKeeper keeper;
    private final WriteGate writes;
    private final Pace pace;
    private final SlotIndex index;
    private final ChunkLog chunks;
    private final Compactor compactor;
    private final LogScrubber scrubber;
    private final AtomicLong generation = new AtomicLong();
    private final AtomicBoolean scheduled = new AtomicBoolean();
    private final ReentrantLock maintaining = new ReentrantLock();
    private volatile boolean closed;

    /** Opens the folder and reads it back. */
    static LogEngine open(
            LogStoreOptions options,
            LogSurroundings surroundings,
            @Nullable Medium medium,
            StoreCounters counters) {
        StoreFolder folder =
                new StoreFolder(
                        options.folder(),
                        LAYOUT,
                        surroundings.instants(),
                        options.quarantineBytesMax());
        FileChannel lockFile = FolderLock.take(folder.part("LOCK"));
        try {
            return new LogEngine(options, surroundings, medium, counters, folder, lockFile);
        } catch (IOException e) {
            close(lockFile);
            throw new UnavailableException(
                    "log in " + options.folder() + " does not open: " + e + "; check the disk", e);
        } catch (RuntimeException | Error e) {
            close(lockFile);
            throw e;
        }
    }

    private LogEngine(
            LogStoreOptions options,
            LogSurroundings surroundings,
            @Nullable Medium given,
            StoreCounters counters,
            StoreFolder folder,
            FileChannel lockFile)
            throws IOException {
        this.options = options;
        this.surroundings = surroundings;
        this.retention = surroundings.retention();
        this.counters = counters;
        this.folder = folder;
        this.lockFile = lockFile;
        this.keeper = new IndexKeeper(folder);
        NanoClock clock = surroundings.clock();
        this.writes = new WriteGate(options.folder(), clock, options.retryAfter());
        long start = clock.nanoTime();
        Path path = folder.makePart(PART);
        Medium medium = given == null ? mediumOf(path) : given;
        this.pace = new Pace(measure(medium, path));
        Recovered recovered = recover(path, medium);
        this.index = recovered.index();
        this.chunks = recovered.chunks();
        Compactor.Rules rules =
                new Compactor.Rules(
                        options.segmentBytes(),
                        options.plainCleaner(),
                        surroundings.random(),
                        retention);
        Compactor.Owner owner = owner();
        this.compactor = new Compactor(chunks, index, pace, rules, owner);
        this.scrubber = new LogScrubber(chunks, index, pace, owner);
        log.info(
                "store open folder={} entries={} bytes={} millis={}",
                path,
                index.size(),
                index.bytes(),
                (clock.nanoTime() - start) / 1_000_000);
    }

    private record Recovered(SlotIndex index, ChunkLog chunks) {}

    private Recovered recover(Path path, Medium medium) throws IOException {
        IndexDatabase database = keeper.open();
        while (true) {
            SlotIndex slots = new SlotIndex(surroundings.random().nextLong());
            ChunkLog found = new ChunkLog(path, medium, options, slots, surroundings.random());
            Recovery recovery = new Recovery(path, medium, found, slots);
            try {
                recovery.run(database);
                counters.quarantined.add(recovery.damaged());
                generation.set(recovery.generationMax());
                if (recovery.changed() || database == null) {
                    keeper.checkpoint(found, slots, generation.get(), false);
                }
                return new Recovered(slots, found);
            } catch (LostException e) {
                found.close();
                keeper.lose(e);
                database = null;
            } catch (IOException e) {
                found.close();
                keeper.close();
                throw e;
            }
        }
    }

    private Compactor.Owner owner() {
        return new Compactor.Owner() {
            @Override
            public long generation() {
                return generation.get();
            }

            @Override
            public void damaged(Held held, String what) {
                setAside(held, what);
            }

            @Override
            public void evicted(StoreKey key) {
                noteEvicted(key);
            }

            @Override
            public void shrunk() {
                counters.shrunk.increment();
            }
        };
    }

    SlotIndex index() {
        return index;
    }

    Pace pace() {
        return pace;
    }

    LogScrubber scrubber() {
        return scrubber;
    }

    long nextGeneration() {
        return generation.incrementAndGet();
    }

    LogTraffic traffic() {
        return new LogTraffic(chunks.writtenBytes(), compactor.movedBytes(), chunks.bytes());
    }

    ChunkLog chunks() {
        return chunks;
    }

    /** Refuses while writes fail. */
    void refuseIfFailed() {
        writes.pass(this::repair);
    }

    void guard(WriteGate.Write write) {
        writes.run(write);
    }

    private void repair() throws IOException {
        try {
            compactor.rescue();
        } catch (NoRoomException e) {
            throw new IOException("no room to copy from a broken segment", e);
        }
    }

    /** Appends a value, and makes it durable if asked. The caller publishes it. */
    Location append(StoreKey key, long number, ByteBuffer meta, ByteBuffer body, boolean sync) {
        makeRoom(RecordHead.recordBytes(1024L + meta.remaining(), body.remaining()));
        Location location = appendSomewhere(key, number, meta, body);
        if (sync) {
            try {
                writes.run(() -> location.segment().sync(location.end()));
            } catch (RuntimeException e) {
                // It must not come back after a later remove.
                index.kill(location);
                var _ = location.segment().unpublished().decrementAndGet();
                throw e;
            }
        }
        return location;
    }

    private void makeRoom(long bytes) {
        long usable = folder.usableBytes();
        if (usable < options.freeBytesMin() + bytes) {
            throw writes.overloaded(
                    "disk of "
                            + options.folder()
                            + " has "
                            + usable
                            + " bytes free, freeBytesMin="
                            + options.freeBytesMin()
                            + ", to put "
                            + bytes);
        }
        long liveBytesMax = options.liveBytesMax();
        if (bytes > liveBytesMax) {
            throw writes.overloaded(
                    "value of " + bytes + " bytes, but " + liveBytesMax + " is all that fits");
        }
        boolean more = true;
        while (more
                && (index.bytes() + bytes > liveBytesMax || index.size() >= options.entriesMax())) {
            more = evict();
        }
        if (!more && index.size() > 0) {
            throw writes.overloaded(
                    "only values that are pinned or being read are left, of "
                            + index.bytes()
                            + " bytes in "
                            + liveBytesMax
                            + ", to put "
                            + bytes);
        }
    }

    private boolean evict() {
        Held oldest = index.removeOldest(retention::mustStay);
        if (oldest == null) {
            return false;
        }
        noteEvicted(oldest.key());
        compactor.countEvicted(oldest.location().recordBytes());
        return true;
    }

    private void noteEvicted(StoreKey key) {
        counters.evicted.increment();
        retention.lost(key, LossCause.EVICTED_FROM_DISK);
    }

    private Location appendSomewhere(StoreKey key, long number, ByteBuffer meta, ByteBuffer body) {
        int interval = index.intervalWith(key, number);
        for (int attempt = 0; attempt < ROOM_ATTEMPTS_MAX; attempt++) {
            try {
                return chunks.streamOf(interval)
                        .append(key, number, meta.duplicate(), body.duplicate(), false);
            } catch (IOException e) {
                throw writes.fail(e);
            } catch (NoRoomException e) {
                compactNow(attempt);
            }
        }
        throw writes.overloaded("no room for another segment: compaction gives back too little");
    }

    /**
     * Compacts while a put waits; where that gives back nothing, more has to die, and whoever holds
     * a segment by a put that is not published yet gets time to go on.
     */
    private void compactNow(int attempt) {
        pace.putWaits();
        try {
            boolean gained = compact();
            long goal = index.bytes() - options.segmentBytes();
            boolean more = !gained;
            while (more && index.bytes() > goal) {
                more = evict();
            }
            if (!gained) {
                pace.letOthersPut(Math.min(attempt, PAUSE_MILLIS_MAX));
            }
        } finally {
            pace.putGoesOn();
        }
    }

    /** Compacts once, whether or not room is scarce; false if there was nothing to gain. */
    boolean compact() {
        try {
            return compactor.run();
        } catch (NoRoomException e) {
            return false;
        } catch (IOException e) {
            throw writes.fail(e);
        }
    }

    /** Removes a value, and returns when it is gone for good. */
    boolean remove(StoreKey key) {
        // While compaction holds a copy that the index does not know, one death is not enough.
        ReentrantLock moving = compactor.moving();
        moving.lock();
        try {
            Location held = index.peek(key);
            if (held == null || !index.remove(key, held)) {
                return false;
            }
            chunks.flushDeaths();
            return true;
        } catch (IOException e) {
            throw writes.fail(e);
        } catch (NoRoomException e) {
            throw writes.overloaded("no room to note a removal");
        } finally {
            moving.unlock();
        }
    }

    /** Counts and keeps a value that was not as it should be; the index has dropped it. */
    void setAside(StoreKey key, long number, MemorySegment bytes, @Nullable String why) {
        counters.quarantined.increment();
        retention.lost(key, LossCause.DAMAGED);
        log.error("value quarantined folder={} {}", folder.quarantine(), why);
        if (bytes.byteSize() > 0) {
            folder.setAside(key, number, bytes);
        }
    }

    private void setAside(Held held, String what) {
        if (index.remove(held.key(), held.location())) {
            String why =
                    "key=" + held.key() + " where=" + what + " found while nobody asked for it";
            setAside(held.key(), held.location().generation(), MemorySegment.NULL, why);
        }
    }

    /** Has compaction and checkpoints done in the background, if they are due. */
    void maintain() {
        if ((isTight() || isCheckpointDue()) && scheduled.compareAndSet(false, true)) {
            try {
                surroundings.background().execute(this::runMaintenance);
            } catch (RejectedExecutionException e) {
                scheduled.set(false); // the store is about to close
            }
        }
    }

    private boolean isTight() {
        long slack = options.bytesMax() - options.reserveBytes() - options.liveBytesMax();
        // Room that is kept free is room in which dead bytes might have gathered.
        long enough = Math.max(slack / 16, TIGHT_SEGMENTS * options.segmentBytes());
        return chunks.freeBytes() < Math.min(slack / 4, enough);
    }

    private boolean isCheckpointDue() {
        return chunks.writtenBytes() - keeper.checkpointedBytes()
                > CHECKPOINT_SEGMENTS * options.segmentBytes();
    }

    private void runMaintenance() {
        maintaining.lock();
        try {
            boolean gained = true;
            while (gained && isTight() && !closed && !writes.isShut()) {
                gained = compactor.run();
            }
            if (isCheckpointDue() && !closed) {
                keeper.checkpoint(chunks, index, generation.get(), false);
            }
        } catch (IOException e) {
            var _ = writes.fail(e);
        } catch (NoRoomException e) {
            log.warn("compaction has no room folder={}", options.folder());
        } finally {
            scheduled.set(false);
            maintaining.unlock();
        }
    }

    /** Writes down where everything is, and lets go of all files. */
    void close() {
        closed = true;
        pace.close();
        maintaining.lock();
        try {
            try {
                chunks.seal();
            } catch (IOException e) {
                log.warn("last segments stay open cause={}", e.toString());
            }
            keeper.checkpoint(chunks, index, generation.get(), true);
        } finally {
            keeper.close();
            chunks.close();
            close(lockFile);
            maintaining.unlock();
        }
    }

    private MediumRates measure(Medium medium, Path path) throws IOException {
        int bytes = (int) Math.min(PROBE_BYTES_MAX, options.segmentBytes());
        try {
            MediumRates found = MediumRates.measure(medium, path, bytes, surroundings.clock());
            log.info(
                    String.format(
                            Locale.ROOT,
                            "medium folder=%s kind=\"%s\" writeMegabytesPerSecond=%.0f"
                                    + " syncMicros=%d readMegabytesPerSecond=%.0f",
                            path,
                            medium.name(),
                            found.writeBytesPerSecond() / 1e6,
                            found.syncNanos() / 1000,
                            found.readBytesPerSecond() / 1e6));
            return found;
        } catch (IOException e) {
            if (!ChunkLog.isFull(e)) {
                throw e;
            }
            log.warn("medium not measured, the disk is full folder={}", path);
            return new MediumRates(100e6, 10_000_000, 100e6);
        }
    }

    static Medium mediumOf(Path path) throws IOException {
        return MappedMedium.isPersistentMemory(path)
                ? new MappedMedium(ExtendedMapMode.READ_WRITE_SYNC)
                : new FileMedium();
    }

    private static void close(FileChannel lockFile) {
        try {
            lockFile.close();
        } catch (IOException e) {
            log.warn("lock file not closed cause={}", e.toString());
        }
    }
}
