package io.kvtier.storage;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/** One handle on an {@link Allocation}: it owns one reference until its close. */
final class PooledBlob implements Blob {
    private static final VarHandle CLOSED;

    static {
        try {
            CLOSED =
                    MethodHandles.lookup().findVarHandle(PooledBlob.class, "closed", boolean.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final Allocation allocation;

    @SuppressWarnings("unused") // through CLOSED
    private volatile boolean closed;

    /** Takes over a reference that was counted already. */
    PooledBlob(Allocation allocation) {
        this.allocation = allocation;
    }

    @Override
    public long bytes() {
        return allocation.bytes();
    }

    @Override
    public MemorySegment segment() {
        requireOpen();
        return allocation.readOnlySegment();
    }

    @Override
    public Blob retain() {
        requireOpen();
        PooledBlob retained = tryRetain();
        if (retained == null) {
            throw new IllegalStateException("blob retained while its last handle was closed");
        }
        return retained;
    }

    /**
     * A new handle, or null if the memory is gone already: for those who find this handle in a
     * shared place from which another thread may be removing it.
     */
    @Nullable PooledBlob tryRetain() {
        return allocation.tryRetain() ? new PooledBlob(allocation) : null;
    }

    /**
     * A blob of the first bytes, in free memory that is too small for all of them, so that the
     * whole of this one's comes free once it is closed; null if there is none.
     */
    @Nullable PooledBlob copyToHole(long bytes) {
        requireOpen();
        Allocation copy = allocation.copyToHole(bytes);
        return copy == null ? null : new PooledBlob(copy);
    }

    /**
     * Gives the memory behind the first bytes back to the pool, if this is the only handle.
     *
     * <p>For the one owner of a handle that others find in a shared place and {@link #tryRetain}:
     * from here on they fail, until they find the result there. Nobody may close this handle at the
     * same time.
     *
     * @return the handle that goes on in place of this one, which is closed; null if others have
     *     the bytes open, and nothing has changed
     */
    @Nullable PooledBlob shorten(long bytes) {
        Allocation shorter = allocation.shorten(bytes);
        if (shorter == null) {
            return null;
        }
        closed = true;
        return new PooledBlob(shorter);
    }

    /** Memory that is held by the blob, including what rounding up costs. */
    long capacityBytes() {
        return allocation.capacityBytes();
    }

    @Override
    public void close() {
        if (CLOSED.compareAndSet(this, false, true)) {
            allocation.release();
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("blob of " + bytes() + " bytes used after its close");
        }
    }
}
