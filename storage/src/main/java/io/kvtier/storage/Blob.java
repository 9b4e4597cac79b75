package io.kvtier.storage;

import java.lang.foreign.MemorySegment;

/**
 * A handle on read-only bytes outside the heap, whose memory lives as long as any handle is open.
 *
 * <p>Ownership: every handle is closed exactly once, by who received it. Passing a blob as an
 * argument lends it: to keep it, {@link #retain} a handle of one's own. Closing twice is allowed
 * and does nothing, so that one handle's mistake cannot free another's memory.
 *
 * <p>Thread-safety: a handle may be read by many threads; who closes it sees to it that its own
 * readers are done. Different handles are independent.
 *
 * <p>Errors: using a handle after its close throws {@link IllegalStateException}.
 */
public sealed interface Blob extends AutoCloseable permits PooledBlob {
    /** Length. */
    long bytes();

    /** The bytes, read-only, exactly {@link #bytes} long; not to be touched after the close. */
    MemorySegment segment();

    /** A new handle on the same bytes, for the caller to close. */
    Blob retain();

    @Override
    void close();
}
