package io.kvtier.storage;

import io.kvtier.storage.Slab.Extent;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Native memory for {@link Blob}s, mapped in slabs up to a limit and reused.
 *
 * <p>When the limit is reached the pool asks its reclaimers (the hot tier) to let go of something
 * before it refuses: what is in flight goes before what is merely kept.
 *
 * <p>Thread-safety: all methods. Limits: {@link BlobPoolOptions#bytesMax} bounds what is mapped, so
 * a request may be refused a little earlier, when free pages are not adjacent.
 */
public final class BlobPool implements AutoCloseable {
    /** Lets go of memory that is kept but not needed. */
    interface Reclaimer {
        /**
         * Frees about so many bytes, without allocating from the pool.
         *
         * @return bytes let go of, which readers may still hold for a while; 0 = nothing left
         */
        long reclaim(long bytes);
    }

    private static final int RECLAIM_ATTEMPTS_MAX = 6;
    private static final Duration RETRY_AFTER = Duration.ofMillis(100);
    private static final byte POISON = (byte) 0xDB;

    private final BlobPoolOptions options;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition mappingEnded = lock.newCondition();
    private final SlabSpace space = new SlabSpace();
    private final List<Reclaimer> reclaimers = new CopyOnWriteArrayList<>();
    private final Set<Allocation> ledger = ConcurrentHashMap.newKeySet();
    private long mappedBytes;
    private long outstandingBytes;
    private long outstandingBlobs;
    private long slabCount;
    private int mapping; // slabs that are counted in mappedBytes and not yet in space
    private boolean closed;

    /** Maps nothing yet. */
    public BlobPool(BlobPoolOptions options) {
        this.options = options;
    }

    /**
     * Takes memory for a value. Its content is arbitrary.
     *
     * <p>Ownership: the caller closes the result, or seals it.
     *
     * @throws InvalidRequestException if {@code bytes} is not positive
     * @throws OverloadedException if the pool would exceed {@code bytesMax}
     * @throws UnavailableException if the pool is closed
     */
    public WritableBlob allocate(long bytes) {
        if (bytes <= 0) {
            throw new InvalidRequestException("blob of " + bytes + " bytes, expected at least 1");
        }
        if (bytes > options.bytesMax()) {
            throw refused(bytes);
        }
        long pages = Slab.roundUp(bytes);
        Extent extent = take(pages);
        for (int attempt = 0; extent == null && attempt < RECLAIM_ATTEMPTS_MAX; attempt++) {
            // Ask for more each time: what comes free need not be adjacent.
            if (reclaim(pages << attempt) == 0) {
                break;
            }
            extent = take(pages);
        }
        if (extent == null) {
            throw refused(bytes);
        }
        boolean diagnostics = options.diagnostics();
        Throwable site = diagnostics ? new Throwable("allocated here") : null;
        Allocation allocation = new Allocation(this, extent, bytes, site);
        if (diagnostics) {
            ledger.add(allocation);
        }
        return new WritableBlob(allocation);
    }

    /** Copies bytes into a blob of their own, which the caller closes. */
    public Blob copyOf(MemorySegment source) {
        try (WritableBlob target = allocate(source.byteSize())) {
            target.segment().copyFrom(source);
            return target.seal();
        }
    }

    /** Native memory in use by open handles, in whole pages: 0 when nothing leaks. */
    public long outstandingBytes() {
        lock.lock();
        try {
            return outstandingBytes;
        } finally {
            lock.unlock();
        }
    }

    /** Values in use by open handles: 0 when nothing leaks. */
    public long outstandingBlobs() {
        lock.lock();
        try {
            return outstandingBlobs;
        } finally {
            lock.unlock();
        }
    }

    /** Native memory held by the pool, in use or not. */
    public long mappedBytes() {
        lock.lock();
        try {
            return mappedBytes;
        } finally {
            lock.unlock();
        }
    }

    /** The limits. */
    public BlobPoolOptions options() {
        return options;
    }

    /**
     * Gives all memory back to the system.
     *
     * @throws IllegalStateException if blobs are still open: a leak. Their memory stays mapped, so
     *     that nobody reads what is gone.
     */
    @Override
    public void close() {
        List<Slab> slabs = new ArrayList<>();
        lock.lock();
        try {
            closed = true;
            if (outstandingBlobs > 0) {
                throw leak();
            }
            takeIdle(slabs, 0);
        } finally {
            lock.unlock();
        }
        slabs.forEach(Slab::unmap);
    }

    void addReclaimer(Reclaimer reclaimer) {
        reclaimers.add(reclaimer);
    }

    void removeReclaimer(Reclaimer reclaimer) {
        reclaimers.remove(reclaimer);
    }

    void free(Allocation allocation) {
        if (options.diagnostics()) {
            ledger.remove(allocation);
            allocation.segment().fill(POISON);
        }
        List<Slab> slabs = new ArrayList<>(0);
        lock.lock();
        try {
            outstandingBytes -= allocation.capacityBytes();
            outstandingBlobs--;
            space.give(allocation.extent());
            takeIdle(slabs, options.idleBytesMax());
        } finally {
            lock.unlock();
        }
        slabs.forEach(Slab::unmap);
    }

    /**
     * Copies the first bytes of an allocation to free pages between others, where all of it would
     * not fit; null if there are none. Maps nothing and reclaims nothing.
     */
    @Nullable Allocation copyToHole(Allocation allocation, long bytes, @Nullable Throwable site) {
        long pages = Slab.roundUp(bytes);
        Extent hole;
        lock.lock();
        try {
            hole = closed ? null : space.takeBelow(pages, allocation.capacityBytes());
            if (hole == null) {
                return null;
            }
            count(pages);
        } finally {
            lock.unlock();
        }
        Allocation copy = new Allocation(this, hole, bytes, site);
        copy.segment().copyFrom(allocation.readOnlySegment().asSlice(0, bytes));
        if (options.diagnostics()) {
            ledger.add(copy);
        }
        return copy;
    }

    /** Takes back the pages behind the first bytes; the extent of those is returned. */
    Extent trim(Allocation allocation, long bytes) {
        Extent extent = allocation.extent();
        long kept = Slab.roundUp(bytes);
        long freed = extent.bytes() - kept;
        if (freed <= 0) {
            return extent;
        }
        if (options.diagnostics()) {
            allocation.segment().asSlice(bytes).fill(POISON);
        }
        lock.lock();
        try {
            outstandingBytes -= freed;
            space.give(new Extent(extent.slab(), extent.offset() + kept, freed));
        } finally {
            lock.unlock();
        }
        return new Extent(extent.slab(), extent.offset(), kept);
    }

    /** Moves an entry of the ledger. */
    void replaced(Allocation old, Allocation successor) {
        if (options.diagnostics()) {
            ledger.remove(old);
            ledger.add(successor);
        }
    }

    private @Nullable Extent take(long pages) {
        List<Slab> unmapped = new ArrayList<>(0);
        long slabBytes;
        long index;
        lock.lock();
        try {
            long room = -1;
            while (room < pages) {
                if (closed) {
                    throw new UnavailableException("the blob pool is closed");
                }
                Extent extent = space.take(pages);
                if (extent != null) {
                    count(pages);
                    return extent;
                }
                if (options.bytesMax() - mappedBytes < pages) {
                    takeIdle(unmapped, 0);
                }
                room = (options.bytesMax() - mappedBytes) & -Slab.PAGE_BYTES;
                if (room < pages && mapping == 0) {
                    return null;
                }
                if (room < pages) {
                    // Another thread maps the last of the room, most of which will then be free.
                    mappingEnded.awaitUninterruptibly();
                }
            }
            slabBytes = Math.max(pages, Math.min(Slab.roundUp(options.slabBytes()), room));
            index = slabCount++;
            mappedBytes += slabBytes;
            mapping++;
            count(pages);
        } finally {
            lock.unlock();
            unmapped.forEach(Slab::unmap);
        }
        return map(index, slabBytes, pages);
    }

    /** Maps outside the lock, because the system zeroes the pages: milliseconds. */
    private @Nullable Extent map(long index, long slabBytes, long pages) {
        Slab slab;
        try {
            slab = new Slab(index, slabBytes);
        } catch (OutOfMemoryError e) {
            // The JVM's own limit on direct memory is below bytesMax: refuse, as at our limit.
            lock.lock();
            try {
                mappedBytes -= slabBytes;
                outstandingBytes -= pages;
                outstandingBlobs--;
                endMapping();
            } finally {
                lock.unlock();
            }
            return null;
        }
        lock.lock();
        try {
            if (slabBytes > pages) {
                space.give(new Extent(slab, pages, slabBytes - pages));
            }
            endMapping();
        } finally {
            lock.unlock();
        }
        return new Extent(slab, 0, pages);
    }

    private void endMapping() {
        mapping--;
        mappingEnded.signalAll();
    }

    private void count(long pages) {
        outstandingBytes += pages;
        outstandingBlobs++;
    }

    private void takeIdle(List<Slab> target, long idleBytesMax) {
        while (space.idleBytes() > idleBytesMax) {
            Slab slab = space.removeIdle();
            if (slab == null) {
                return;
            }
            mappedBytes -= slab.bytes();
            target.add(slab);
        }
    }

    private long reclaim(long bytes) {
        long reclaimed = 0;
        for (Reclaimer reclaimer : reclaimers) {
            reclaimed += reclaimer.reclaim(bytes);
        }
        return reclaimed;
    }

    private OverloadedException refused(long bytes) {
        return new OverloadedException(
                "no native memory for a blob of "
                        + bytes
                        + " bytes: "
                        + outstandingBytes()
                        + " of bytesMax="
                        + options.bytesMax()
                        + " in use (the JVM's MaxDirectMemorySize counts, too)",
                RETRY_AFTER);
    }

    private IllegalStateException leak() {
        IllegalStateException leak =
                new IllegalStateException(
                        outstandingBlobs
                                + " blobs of "
                                + outstandingBytes
                                + " bytes still open at the close of their pool");
        for (Allocation allocation : ledger) {
            if (allocation.site != null) {
                leak.addSuppressed(allocation.site);
            }
        }
        return leak;
    }
}
