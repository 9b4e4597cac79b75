package io.kvtier.storage.log;

import io.kvtier.storage.StoreKey;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * What the log holds, in memory: a slot for every value, in order of use, and for every segment the
 * slots that point into it.
 *
 * <p>So compaction knows what lives and how large it is without reading anything, and updates a
 * value's place through its slot, without a search (Pacman, Wang et al., USENIX ATC 2022, sections
 * 4.1 and 4.2).
 *
 * <p>Thread-safety: all methods; one lock, held for no more than a walk over one segment's slots.
 */
final class SlotIndex {
    private static final int SAMPLES = 64;

    /* design
     * A record dies when its value is replaced, removed, evicted, moved or found bad. That is known
     * here at once, and on the medium once a deaths record names it. Until then the place of the
     * dead waits in `killed`: whoever acts on a death for good (removing a file, acknowledging a
     * remove, letting the database forget a key) first makes what waits here durable.
     */
    private final ReentrantLock lock = new ReentrantLock();
    private final Slots slots;
    private final Map<Integer, Segment> segments = new HashMap<>();
    private final LongList killed = new LongList();
    private long bytes;
    private long tick;

    /** What the database does not know yet; slots may be named twice. */
    private LongList dirty = new LongList();

    private Set<StoreKey> deleted = new LinkedHashSet<>();

    /** A value, and the slot that says so. */
    record Held(int slot, StoreKey key, Location location) {}

    /** When a value was used last, and the code of the {@link Interval} at which it is put. */
    record Usage(long tick, int interval) {}

    /** A slot as the database keeps it. */
    record Row(StoreKey key, int segment, int offset, int recordBytes, long generation, long tick) {
        long place() {
            return (long) segment << 32 | offset;
        }
    }

    /** What changed since the last one. */
    record Changes(List<Row> rows, List<StoreKey> deleted) {}

    SlotIndex(long seed) {
        slots = new Slots(seed);
    }

    /** Where a value lies; its segment is retained for the caller. */
    @Nullable Location open(StoreKey key, boolean isUse) {
        lock.lock();
        try {
            int slot = slots.find(key);
            if (slot == Slots.NONE) {
                return null;
            }
            if (isUse) {
                slots.touch(slot);
                slots.setTick(slot, ++tick);
            }
            Location location = location(slot);
            if (!location.segment().tryRetain()) {
                throw new AssertionError("slot points into " + location.segment() + ", closed");
            }
            return location;
        } finally {
            lock.unlock();
        }
    }

    /** Where a value lies, for one who reads nothing there. */
    @Nullable Location peek(StoreKey key) {
        lock.lock();
        try {
            int slot = slots.find(key);
            return slot == Slots.NONE ? null : location(slot);
        } finally {
            lock.unlock();
        }
    }

    /** Points a key at a new record; the one before it dies. */
    void put(StoreKey key, Location location) {
        lock.lock();
        try {
            int slot = slots.find(key);
            if (slot == Slots.NONE) {
                slot = slots.add(key);
                slots.setDirty(slot, false);
            } else {
                slots.setInterval(slot, blended(slot, location.generation()));
                kill(slot);
                slots.touch(slot);
            }
            slots.setTick(slot, ++tick);
            place(slot, location);
        } finally {
            lock.unlock();
        }
    }

    /** Lets a value die, if it still lies where the caller saw it. */
    boolean remove(StoreKey key, Location seen) {
        lock.lock();
        try {
            int slot = slots.find(key);
            if (slot == Slots.NONE || !isAt(slot, seen)) {
                return false;
            }
            drop(slot);
            return true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Lets the least recently used value die that may, and says which that was; others whose turn
     * it would have been count as used.
     */
    @Nullable Held removeOldest(Predicate<StoreKey> mustStay) {
        lock.lock();
        try {
            for (int looked = slots.size(); looked > 0; looked--) {
                int slot = slots.oldest();
                Held oldest = new Held(slot, slots.key(slot), location(slot));
                if (!mustStay.test(oldest.key())) {
                    drop(slot);
                    return oldest;
                }
                slots.touch(slot);
                slots.setTick(slot, ++tick);
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    /** Lets a record die that no slot points at: one that was written in vain. */
    void kill(Location location) {
        killAgain(location.place());
    }

    /** The same of a place whose death is about to be forgotten with the segment that names it. */
    void killAgain(long place) {
        lock.lock();
        try {
            killed.add(place);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Moves a value to a copy of its record, unless it has been replaced or removed meanwhile, or
     * may not.
     */
    boolean move(Held held, Location target, Predicate<StoreKey> mayMove) {
        lock.lock();
        try {
            // A slot that was freed and taken by another value has another generation.
            if (!isAt(held.slot(), held.location()) || !mayMove.test(held.key())) {
                killed.add(target.place());
                return false;
            }
            kill(held.slot());
            place(held.slot(), target);
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** What lives in a segment, now, in the order in which it lies there. */
    List<Held> heldIn(Segment segment) {
        lock.lock();
        try {
            List<Held> held = new ArrayList<>();
            for (int slot : slots.inSegment(segment)) {
                held.add(new Held(slot, slots.key(slot), location(slot)));
            }
            held.sort(Comparator.comparingInt(each -> each.location().offset()));
            return held;
        } finally {
            lock.unlock();
        }
    }

    /** What is known of how often a key is put: with a put of this generation, if it is held. */
    int intervalWith(StoreKey key, long generation) {
        lock.lock();
        try {
            int slot = slots.find(key);
            return slot == Slots.NONE ? Interval.UNKNOWN : blended(slot, generation);
        } finally {
            lock.unlock();
        }
    }

    /** The same of a value that has lasted until this generation, and when it was used. */
    Usage usage(Held held, long generation) {
        lock.lock();
        try {
            int known = slots.interval(held.slot());
            long age = Math.max(1, generation - held.location().generation());
            int interval = known == Interval.UNKNOWN ? known : Math.max(known, Interval.code(age));
            return new Usage(slots.tick(held.slot()), interval);
        } finally {
            lock.unlock();
        }
    }

    /** Ticks of values chosen at random, ascending; not many, and none if there are no values. */
    long[] sampleTicks(RandomGenerator random) {
        lock.lock();
        try {
            return LongStream.range(0, 4 * SAMPLES)
                    .map(each -> slots.randomTick(random))
                    .filter(found -> found >= 0)
                    .limit(SAMPLES)
                    .sorted()
                    .toArray();
        } finally {
            lock.unlock();
        }
    }

    /** Lets a value die that was not used since a tick, if it still lies where it was seen. */
    boolean removeUnused(Held held, long since) {
        lock.lock();
        try {
            boolean unused = isAt(held.slot(), held.location()) && slots.tick(held.slot()) < since;
            if (unused) {
                drop(held.slot());
            }
            return unused;
        } finally {
            lock.unlock();
        }
    }

    private int blended(int slot, long generation) {
        long puts = Math.max(1, generation - slots.generation(slot));
        return Interval.blend(slots.interval(slot), puts);
    }

    void addSegment(Segment segment) {
        lock.lock();
        try {
            if (segments.putIfAbsent(segment.id(), segment) != null) {
                throw new AssertionError(segment + " is there twice");
            }
        } finally {
            lock.unlock();
        }
    }

    /** Forgets a segment into which no slot points, and the deaths in it. */
    void removeSegment(Segment segment) {
        lock.lock();
        try {
            if (segment.liveCount() != 0) {
                throw new AssertionError(segment + " holds " + segment.liveCount() + " values");
            }
            segments.remove(segment.id());
        } finally {
            lock.unlock();
        }
    }

    boolean hasSegment(int id) {
        lock.lock();
        try {
            return segments.containsKey(id);
        } finally {
            lock.unlock();
        }
    }

    /** Places of the dead that no durable deaths record names, oldest first. */
    long[] killed() {
        lock.lock();
        try {
            return killed.toArray();
        } finally {
            lock.unlock();
        }
    }

    /** Says that the first of {@link #killed} are durable. */
    void forgetKilled(int count) {
        lock.lock();
        try {
            killed.removeFirst(count);
        } finally {
            lock.unlock();
        }
    }

    /**
     * What the database has to learn to know all of the covered segments; values in others stay
     * dirty, and are not to be in the database.
     *
     * @param everything as if it knew nothing
     */
    Changes takeChanges(Predicate<Segment> isCovered, boolean everything) {
        lock.lock();
        try {
            List<Row> rows = new ArrayList<>();
            Set<StoreKey> gone = new LinkedHashSet<>();
            for (StoreKey key : deleted) {
                if (slots.find(key) == Slots.NONE) {
                    gone.add(key);
                }
            }
            deleted = new LinkedHashSet<>();
            long[] changed = everything ? allSlots() : dirty.toArray();
            dirty = new LongList();
            for (long word : changed) {
                int slot = (int) word;
                if (!everything && !slots.isDirty(slot)) {
                    continue;
                }
                slots.setDirty(slot, false);
                if (isCovered.test(segment(slot))) {
                    rows.add(row(slot));
                } else {
                    gone.add(slots.key(slot));
                    markDirty(slot);
                }
            }
            return new Changes(rows, List.copyOf(gone));
        } finally {
            lock.unlock();
        }
    }

    /** Takes over a row that was read back; its segment is there. */
    void load(Row row) {
        lock.lock();
        try {
            int slot = slots.add(row.key());
            Segment segment = segments.get(row.segment());
            if (segment == null) {
                throw new AssertionError(
                        "row of segment " + row.segment() + ", which is not there");
            }
            slots.place(
                    slot, new Location(row.generation(), segment, row.offset(), row.recordBytes()));
            slots.setDirty(slot, false);
            slots.setTick(slot, row.tick());
            slots.addToSegment(slot, segment);
            bytes += row.recordBytes();
            tick = Math.max(tick, row.tick());
        } finally {
            lock.unlock();
        }
    }

    /** Has the database forget what it says of a key, unless the key turns up elsewhere. */
    void forget(StoreKey key) {
        lock.lock();
        try {
            deleted.add(key);
        } finally {
            lock.unlock();
        }
    }

    /** Brings what was loaded into the order of use. */
    void sortLoaded() {
        lock.lock();
        try {
            tick = slots.sortByTick();
        } finally {
            lock.unlock();
        }
    }

    /** Bytes of the records that live. */
    long bytes() {
        lock.lock();
        try {
            return bytes;
        } finally {
            lock.unlock();
        }
    }

    int size() {
        lock.lock();
        try {
            return slots.size();
        } finally {
            lock.unlock();
        }
    }

    /** Heap bytes of all slots, about. */
    long memoryBytes() {
        lock.lock();
        try {
            return slots.memoryBytes();
        } finally {
            lock.unlock();
        }
    }

    private void drop(int slot) {
        deleted.add(slots.key(slot));
        kill(slot);
        slots.setDirty(slot, false);
        slots.remove(slot);
    }

    private void kill(int slot) {
        Location location = location(slot);
        slots.removeFromSegment(slot, location.segment());
        bytes -= location.recordBytes();
        killed.add(location.place());
    }

    private void place(int slot, Location location) {
        slots.place(slot, location);
        slots.addToSegment(slot, location.segment());
        bytes += location.recordBytes();
        markDirty(slot);
    }

    private void markDirty(int slot) {
        if (!slots.isDirty(slot)) {
            slots.setDirty(slot, true);
            dirty.add(slot);
        }
    }

    private boolean isAt(int slot, Location seen) {
        return slots.generation(slot) == seen.generation()
                && slots.segment(slot) == seen.segment().id()
                && slots.offset(slot) == seen.offset();
    }

    private Location location(int slot) {
        return new Location(
                slots.generation(slot), segment(slot), slots.offset(slot), slots.recordBytes(slot));
    }

    private Segment segment(int slot) {
        Segment segment = segments.get(slots.segment(slot));
        if (segment == null) {
            throw new AssertionError("slot points into segment " + slots.segment(slot) + ", gone");
        }
        return segment;
    }

    private Row row(int slot) {
        return new Row(
                slots.key(slot),
                slots.segment(slot),
                slots.offset(slot),
                slots.recordBytes(slot),
                slots.generation(slot),
                slots.tick(slot));
    }

    private long[] allSlots() {
        LongList all = new LongList();
        for (Segment segment : segments.values()) {
            for (int slot : slots.inSegment(segment)) {
                all.add(slot);
            }
        }
        return all.toArray();
    }
}
