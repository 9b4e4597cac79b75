package io.kvtier.storage;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * A piece of a slab in use, with the count of its references.
 *
 * <p>The count only ever leaves zero by construction: an allocation that was released is never used
 * again (its memory comes back under a new object), so {@link #tryRetain} cannot revive the wrong
 * bytes.
 */
final class Allocation {
    private static final VarHandle REFERENCES;

    static {
        try {
            REFERENCES =
                    MethodHandles.lookup().findVarHandle(Allocation.class, "references", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final BlobPool pool;
    private final Slab.Extent extent;
    private final MemorySegment segment;
    private final MemorySegment readOnlySegment;

    /** Where it was made, when the pool was asked to remember. */
    final @Nullable Throwable site;

    @SuppressWarnings("unused") // through REFERENCES
    private volatile int references = 1;

    Allocation(BlobPool pool, Slab.Extent extent, long bytes, @Nullable Throwable site) {
        this.pool = pool;
        this.extent = extent;
        this.segment = extent.slab().segment().asSlice(extent.offset(), bytes);
        this.readOnlySegment = segment.asReadOnly();
        this.site = site;
    }

    long bytes() {
        return segment.byteSize();
    }

    long capacityBytes() {
        return extent.bytes();
    }

    Slab.Extent extent() {
        return extent;
    }

    MemorySegment segment() {
        return segment;
    }

    MemorySegment readOnlySegment() {
        return readOnlySegment;
    }

    boolean tryRetain() {
        int count = references;
        while (count > 0) {
            int witness = (int) REFERENCES.compareAndExchange(this, count, count + 1);
            if (witness == count) {
                return true;
            }
            count = witness;
        }
        return false;
    }

    /** The first bytes in a place where all would not fit, or null; the caller owns it. */
    @Nullable Allocation copyToHole(long bytes) {
        return pool.copyToHole(this, bytes, site);
    }

    /**
     * Gives back all but the first bytes, if nobody but the caller has a reference: they go on as
     * another allocation, whose one reference is the caller's in place of the old one.
     */
    @Nullable Allocation shorten(long bytes) {
        if (!REFERENCES.compareAndSet(this, 1, 0)) {
            return null;
        }
        Slab.Extent front = pool.trim(this, bytes);
        Allocation shorter = new Allocation(pool, front, bytes, site);
        pool.replaced(this, shorter);
        return shorter;
    }

    void release() {
        int before = (int) REFERENCES.getAndAdd(this, -1);
        if (before <= 0) {
            throw new AssertionError("blob released " + (1 - before) + " times too often");
        }
        if (before == 1) {
            pool.free(this);
        }
    }
}
