package io.kvtier.storage;

import io.kvtier.storage.Slab.Extent;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The free space of all slabs: best fit by pages, neighbours merge when they are given back.
 *
 * <p>Chunks of many sizes live for very different times, so fixed size classes would strand memory
 * in the classes of yesterday. Extents of 4 KiB pages cost a lock and a few tree operations
 * instead, about a microsecond, against values of tens of kilobytes and more.
 *
 * <p>Not thread-safe: the pool's lock guards it.
 */
final class SlabSpace {
    /** Free extents by their size; a size without extents has no entry. */
    private final TreeMap<Long, Set<Extent>> bySize = new TreeMap<>();

    private final Set<Slab> idle = new LinkedHashSet<>();
    private long idleBytes;

    /** Takes the smallest free extent that fits, cut to size; null if there is none. */
    @Nullable Extent take(long bytes) {
        Map.Entry<Long, Set<Extent>> fitting = bySize.ceilingEntry(bytes);
        if (fitting == null) {
            return null;
        }
        Extent found = fitting.getValue().iterator().next();
        remove(found);
        if (found.bytes() > bytes) {
            add(new Extent(found.slab(), found.offset() + bytes, found.bytes() - bytes));
        }
        return new Extent(found.slab(), found.offset(), bytes);
    }

    /** As {@link #take}, but only from an extent of less than {@code limit} bytes. */
    @Nullable Extent takeBelow(long bytes, long limit) {
        Long fitting = bySize.ceilingKey(bytes);
        return fitting == null || fitting >= limit ? null : take(bytes);
    }

    /** Gives an extent back, or adds one of a new slab. */
    void give(Extent extent) {
        Slab slab = extent.slab();
        long offset = extent.offset();
        long bytes = extent.bytes();
        Map.Entry<Long, Extent> before = slab.free.lowerEntry(offset);
        if (before != null && before.getKey() + before.getValue().bytes() == offset) {
            remove(before.getValue());
            offset = before.getKey();
            bytes += before.getValue().bytes();
        }
        Extent after = slab.free.get(offset + bytes);
        if (after != null) {
            remove(after);
            bytes += after.bytes();
        }
        add(new Extent(slab, offset, bytes));
    }

    /** Bytes of slabs of which nothing is in use. */
    long idleBytes() {
        return idleBytes;
    }

    /** Takes one idle slab out, to be unmapped; null if there is none. */
    @Nullable Slab removeIdle() {
        Iterator<Slab> slabs = idle.iterator();
        if (!slabs.hasNext()) {
            return null;
        }
        Slab slab = slabs.next();
        remove(new Extent(slab, 0, slab.bytes()));
        return slab;
    }

    private void add(Extent extent) {
        Slab slab = extent.slab();
        slab.free.put(extent.offset(), extent);
        bySize.computeIfAbsent(extent.bytes(), size -> new LinkedHashSet<>()).add(extent);
        if (extent.bytes() == slab.bytes() && idle.add(slab)) {
            idleBytes += slab.bytes();
        }
    }

    private void remove(Extent extent) {
        Slab slab = extent.slab();
        slab.free.remove(extent.offset());
        bySize.computeIfPresent(
                extent.bytes(),
                (size, extents) -> {
                    extents.remove(extent);
                    return extents.isEmpty() ? null : extents;
                });
        if (idle.remove(slab)) {
            idleBytes -= slab.bytes();
        }
    }
}
