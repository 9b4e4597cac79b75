package io.kvtier.storage;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.TreeMap;

/**
 * One large piece of native memory, and which parts of it are free.
 *
 * <p>Not thread-safe: the pool's lock guards {@link #free}.
 */
final class Slab {
    /** Extents start and end at multiples of this. */
    static final int PAGE_BYTES = 4096;

    /** A run of pages of one slab. */
    record Extent(Slab slab, long offset, long bytes) {}

    private final Arena arena;
    private final MemorySegment segment;
    private final long index;

    /** Free extents by offset; neighbours are merged. */
    final TreeMap<Long, Extent> free = new TreeMap<>();

    /**
     * Maps the memory.
     *
     * @throws OutOfMemoryError if the process may not have so much direct memory
     */
    Slab(long index, long bytes) {
        this.index = index;
        // Shared arenas cost up to half a millisecond each: hence few and large slabs.
        this.arena = Arena.ofShared();
        try {
            this.segment = arena.allocate(bytes, PAGE_BYTES);
        } catch (OutOfMemoryError e) {
            arena.close();
            throw e;
        }
    }

    MemorySegment segment() {
        return segment;
    }

    long bytes() {
        return segment.byteSize();
    }

    /** Order of making, to tell slabs apart. */
    long index() {
        return index;
    }

    /** Gives the memory back to the system; whoever still touches it gets an exception. */
    void unmap() {
        arena.close();
    }

    static long roundUp(long bytes) {
        return (bytes + PAGE_BYTES - 1) & -PAGE_BYTES;
    }
}
