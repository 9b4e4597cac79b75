package io.kvtier.storage;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Memory that is being filled by its one owner, until {@link #seal} turns it into a {@link Blob}.
 *
 * <p>Ownership: who allocated it closes it; after {@link #seal} the close does nothing, so that
 * try-with-resources covers the failing path alone. The content of fresh memory is arbitrary: fill
 * every byte.
 */
public final class WritableBlob implements AutoCloseable {
    private final Allocation allocation;
    private final AtomicBoolean done = new AtomicBoolean();

    WritableBlob(Allocation allocation) {
        this.allocation = allocation;
    }

    /** Length. */
    public long bytes() {
        return allocation.bytes();
    }

    /**
     * The bytes, to be written.
     *
     * @throws IllegalStateException after {@link #seal} or {@link #close}
     */
    public MemorySegment segment() {
        if (done.get()) {
            throw new IllegalStateException("writable blob used after seal or close");
        }
        return allocation.segment();
    }

    /**
     * Ends the writing and hands the bytes over to a read-only handle, which the caller closes.
     *
     * @throws IllegalStateException after an earlier {@link #seal} or {@link #close}
     */
    public Blob seal() {
        if (!done.compareAndSet(false, true)) {
            throw new IllegalStateException("writable blob sealed after seal or close");
        }
        return new PooledBlob(allocation);
    }

    @Override
    public void close() {
        if (done.compareAndSet(false, true)) {
            allocation.release();
        }
    }
}
