package io.kvtier.storage.log;

import io.kvtier.storage.StoreKey;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The memory of a {@link SlotIndex}: slots of {@value #WORDS} words in pages, found through a hash
 * table of their numbers, linked in the order of use and by segment.
 *
 * <p>Plain words instead of objects, because there is a slot for every chunk on disk: 96 bytes, and
 * 4 to 8 in the table. Slots are numbers, so that links cost half a word, and what points at a slot
 * stays right when pages are added.
 *
 * <p>Not thread-safe.
 */
final class Slots {
    /** No slot. */
    static final int NONE = -1;

    /** The most slots there can be: their numbers share a word with a 40-bit tick. */
    static final int COUNT_MAX = 1 << 24;

    private static final int WORDS = 12;
    private static final int KEY_WORDS = StoreKey.BYTES / Long.BYTES;
    private static final int PAGE_SLOTS = 1024;
    private static final int BUCKETS_MIN = 64;

    /** Words of a slot behind its key. Two numbers in one word: the first is the upper half. */
    private static final int GENERATION = 6;

    private static final int PLACE = 7;
    private static final int SIZE_AND_CHAIN = 8;
    private static final int ORDER = 9;
    private static final int SEGMENT_LIST = 10;
    private static final int USED = 11;

    /** In the word of use: one bit dirty, eight of the interval's code, the tick above them. */
    private static final int INTERVAL_SHIFT = 1;

    private static final int TICK_SHIFT = 9;

    private final long seed;
    private final List<long[]> pages = new ArrayList<>();
    private int[] buckets = newBuckets(BUCKETS_MIN);
    private int used;
    private int size;
    private int free = NONE;
    private int newest = NONE;
    private int oldest = NONE;

    /** {@code seed} makes it useless to choose keys that collide. */
    Slots(long seed) {
        this.seed = seed | 1;
    }

    int size() {
        return size;
    }

    /** Heap bytes, about. */
    long memoryBytes() {
        return (long) pages.size() * PAGE_SLOTS * WORDS * Long.BYTES
                + (long) buckets.length * Integer.BYTES;
    }

    int find(StoreKey key) {
        for (int slot = buckets[bucket(key)]; slot != NONE; slot = low(slot, SIZE_AND_CHAIN)) {
            if (matches(slot, key)) {
                return slot;
            }
        }
        return NONE;
    }

    /** A new slot, the most recently used one, with its key alone. */
    int add(StoreKey key) {
        if (size >= buckets.length) {
            rehash();
        }
        int slot = free;
        if (slot != NONE) {
            free = low(slot, SIZE_AND_CHAIN);
        } else {
            slot = used++;
            if (slot == pages.size() * PAGE_SLOTS) {
                pages.add(new long[PAGE_SLOTS * WORDS]);
            }
        }
        for (int word = 0; word < KEY_WORDS; word++) {
            set(slot, word, key.word(word));
        }
        int bucket = bucket(key);
        set(slot, SIZE_AND_CHAIN, pack(0, buckets[bucket]));
        set(slot, USED, 0);
        buckets[bucket] = slot;
        size++;
        linkNewest(slot);
        return slot;
    }

    void remove(int slot) {
        unlinkOrder(slot);
        int bucket = bucket(key(slot));
        int next = low(slot, SIZE_AND_CHAIN);
        if (buckets[bucket] == slot) {
            buckets[bucket] = next;
        } else {
            int before = buckets[bucket];
            while (low(before, SIZE_AND_CHAIN) != slot) {
                before = low(before, SIZE_AND_CHAIN);
            }
            setLow(before, SIZE_AND_CHAIN, next);
        }
        set(slot, GENERATION, 0);
        setLow(slot, SIZE_AND_CHAIN, free);
        free = slot;
        size--;
    }

    StoreKey key(int slot) {
        ByteBuffer bytes = ByteBuffer.allocate(StoreKey.BYTES);
        for (int word = 0; word < KEY_WORDS; word++) {
            bytes.putLong(get(slot, word));
        }
        return StoreKey.read(bytes.flip());
    }

    /** Which put wrote the value; 0 for a slot that is free. */
    long generation(int slot) {
        return get(slot, GENERATION);
    }

    int segment(int slot) {
        return high(slot, PLACE);
    }

    int offset(int slot) {
        return low(slot, PLACE);
    }

    int recordBytes(int slot) {
        return high(slot, SIZE_AND_CHAIN);
    }

    void place(int slot, Location location) {
        set(slot, GENERATION, location.generation());
        set(slot, PLACE, location.place());
        setHigh(slot, SIZE_AND_CHAIN, location.recordBytes());
    }

    /** When it was last used, in uses of the store. */
    long tick(int slot) {
        return get(slot, USED) >>> TICK_SHIFT;
    }

    void setTick(int slot, long tick) {
        set(slot, USED, tick << TICK_SHIFT | (get(slot, USED) & ((1 << TICK_SHIFT) - 1)));
    }

    /** The {@link Interval} between its puts, as a code. */
    int interval(int slot) {
        return (int) get(slot, USED) >>> INTERVAL_SHIFT & Interval.CODE_MAX;
    }

    void setInterval(int slot, int code) {
        long rest = get(slot, USED) & ~((long) Interval.CODE_MAX << INTERVAL_SHIFT);
        set(slot, USED, rest | (long) code << INTERVAL_SHIFT);
    }

    /** Whether the database has to hear of it. */
    boolean isDirty(int slot) {
        return (get(slot, USED) & 1) != 0;
    }

    void setDirty(int slot, boolean dirty) {
        set(slot, USED, (get(slot, USED) & ~1L) | (dirty ? 1 : 0));
    }

    /** The least recently used slot. */
    int oldest() {
        return oldest;
    }

    void touch(int slot) {
        if (slot != newest) {
            unlinkOrder(slot);
            linkNewest(slot);
        }
    }

    /** The tick of a slot chosen at random, or -1 where that one is free. */
    long randomTick(RandomGenerator random) {
        int slot = random.nextInt(Math.max(1, used));
        return used == 0 || generation(slot) == 0 ? -1 : tick(slot);
    }

    /** Puts all slots in the order of their ticks and numbers these anew; returns the last. */
    long sortByTick() {
        long[] order = new long[size];
        int count = 0;
        for (int slot = 0; slot < used; slot++) {
            if (generation(slot) != 0) {
                order[count++] = tick(slot) << 24 | slot;
            }
        }
        Arrays.sort(order);
        newest = NONE;
        oldest = NONE;
        long tick = 0;
        for (long word : order) {
            int slot = (int) word & (COUNT_MAX - 1);
            linkNewest(slot);
            setTick(slot, ++tick);
        }
        return tick;
    }

    void addToSegment(int slot, Segment segment) {
        set(slot, SEGMENT_LIST, pack(NONE, segment.firstLive));
        if (segment.firstLive != NONE) {
            setHigh(segment.firstLive, SEGMENT_LIST, slot);
        }
        segment.firstLive = slot;
        segment.countLive(1, recordBytes(slot));
    }

    void removeFromSegment(int slot, Segment segment) {
        int before = high(slot, SEGMENT_LIST);
        int next = low(slot, SEGMENT_LIST);
        if (before == NONE) {
            segment.firstLive = next;
        } else {
            setLow(before, SEGMENT_LIST, next);
        }
        if (next != NONE) {
            setHigh(next, SEGMENT_LIST, before);
        }
        segment.countLive(-1, -recordBytes(slot));
    }

    /** The slots whose records lie in a segment. */
    int[] inSegment(@Nullable Segment segment) {
        if (segment == null) {
            return new int[0];
        }
        int[] slots = new int[segment.liveCount()];
        int slot = segment.firstLive;
        for (int i = 0; i < slots.length; i++) {
            slots[i] = slot;
            slot = low(slot, SEGMENT_LIST);
        }
        return slots;
    }

    private void linkNewest(int slot) {
        set(slot, ORDER, pack(NONE, newest));
        if (newest != NONE) {
            setHigh(newest, ORDER, slot);
        }
        newest = slot;
        if (oldest == NONE) {
            oldest = slot;
        }
    }

    private void unlinkOrder(int slot) {
        int newer = high(slot, ORDER);
        int older = low(slot, ORDER);
        if (newer == NONE) {
            newest = older;
        } else {
            setLow(newer, ORDER, older);
        }
        if (older == NONE) {
            oldest = newer;
        } else {
            setHigh(older, ORDER, newer);
        }
    }

    private void rehash() {
        if (size >= COUNT_MAX) {
            throw new AssertionError("index of more than " + COUNT_MAX + " slots");
        }
        buckets = newBuckets(2 * buckets.length);
        for (int slot = 0; slot < used; slot++) {
            if (generation(slot) != 0) {
                int bucket = bucket(key(slot));
                setLow(slot, SIZE_AND_CHAIN, buckets[bucket]);
                buckets[bucket] = slot;
            }
        }
    }

    private int bucket(StoreKey key) {
        long hash = seed;
        for (int word = 0; word < KEY_WORDS; word++) {
            hash = (hash ^ key.word(word)) * seed;
            hash ^= hash >>> 32;
        }
        return (int) hash & (buckets.length - 1);
    }

    private boolean matches(int slot, StoreKey key) {
        for (int word = KEY_WORDS - 1; word >= 0; word--) {
            if (get(slot, word) != key.word(word)) {
                return false;
            }
        }
        return true;
    }

    private static int[] newBuckets(int count) {
        int[] buckets = new int[count];
        Arrays.fill(buckets, NONE);
        return buckets;
    }

    private long get(int slot, int word) {
        return pages.get(slot / PAGE_SLOTS)[slot % PAGE_SLOTS * WORDS + word];
    }

    private void set(int slot, int word, long value) {
        pages.get(slot / PAGE_SLOTS)[slot % PAGE_SLOTS * WORDS + word] = value;
    }

    private int high(int slot, int word) {
        return (int) (get(slot, word) >>> 32);
    }

    private int low(int slot, int word) {
        return (int) get(slot, word);
    }

    private void setHigh(int slot, int word, int value) {
        set(slot, word, pack(value, low(slot, word)));
    }

    private void setLow(int slot, int word, int value) {
        set(slot, word, pack(high(slot, word), value));
    }

    private static long pack(int high, int low) {
        return (long) high << 32 | (low & 0xffffffffL);
    }
}
