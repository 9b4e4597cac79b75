package io.kvtier.storage.log;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The segments of a store, and the streams that fill them: what is on the medium is what is true.
 *
 * <p>A value counts if its record is whole and no deaths record names it, and if there are several
 * of one key, the one of the highest generation. Nothing is ever written over, so every state that
 * a crash leaves is a prefix of each stream.
 *
 * <p>Thread-safety: all methods.
 */
final class ChunkLog {
    private static final int DEATHS_MAX = 4096;
    private static final String PREFIX = "segment-";

    private final Path folder;
    private final Medium medium;
    private final LogStoreOptions options;
    private final SlotIndex index;
    private final RandomGenerator stamps;
    private final ConcurrentHashMap<Integer, Segment> segments = new ConcurrentHashMap<>();
    private final AtomicInteger lastId = new AtomicInteger();
    private final AtomicLong bytes = new AtomicLong();
    private final LongAdder written = new LongAdder();
    private final ReentrantLock flushing = new ReentrantLock();

    /** New values, and deaths. */
    private final LogStream fresh;

    /** What compaction keeps: values used lately, and the others, which die soon. */
    private final LogStream warm = new LogStream(this, false);

    private final LogStream cold = new LogStream(this, false);

    /** New values and copies of keys that are put again and again, by class of {@link Interval}. */
    private final List<LogStream> restless;

    ChunkLog(
            Path folder,
            Medium medium,
            LogStoreOptions options,
            SlotIndex index,
            RandomGenerator stamps) {
        this.folder = folder;
        this.medium = medium;
        this.options = options;
        this.index = index;
        this.stamps = stamps;
        this.fresh = new LogStream(this, options.plainCleaner());
        this.restless =
                IntStream.range(0, options.intervalClasses())
                        .mapToObj(each -> new LogStream(this, true))
                        .toList();
    }

    /** Where a new value goes whose key is put at such an interval. */
    LogStream streamOf(int interval) {
        int found = Interval.classOf(interval, restless.size(), index.size());
        return found < 0 ? fresh : restless.get(found);
    }

    /** Where a copy goes. */
    LogStream streamOfCopy(int interval, boolean isWarm) {
        int found = Interval.classOf(interval, restless.size(), index.size());
        return found < 0 ? isWarm ? warm : cold : restless.get(found);
    }

    private Stream<LogStream> streams() {
        return Stream.concat(Stream.of(fresh, warm, cold), restless.stream());
    }

    /** Ends all open segments. */
    void seal() throws IOException {
        for (LogStream each : (Iterable<LogStream>) streams()::iterator) {
            each.seal();
        }
    }

    LogStream fresh() {
        return fresh;
    }

    Collection<Segment> segments() {
        return segments.values();
    }

    /** Of the newest segment; the difference to another is its age. */
    int lastId() {
        return lastId.get();
    }

    /** What all segments are charged with. */
    long bytes() {
        return bytes.get();
    }

    /** Bytes that puts may still fill before compaction has to give some back. */
    long freeBytes() {
        return options.bytesMax() - options.reserveBytes() - bytes.get();
    }

    void requireUnreserved() throws NoRoomException {
        if (freeBytes() < 0) {
            throw new NoRoomException("compaction is using the room that is reserved for it");
        }
    }

    /** Bytes written since the start: records, copies, deaths and footers. */
    long writtenBytes() {
        return written.sum();
    }

    void countWritten(long count) {
        written.add(count);
    }

    static Path path(Path folder, int id) {
        return folder.resolve(PREFIX + String.format(Locale.ROOT, "%08x", id));
    }

    /** The id in a segment's file name, or -1. */
    static int id(Path file) {
        String name = String.valueOf(file.getFileName());
        return name.matches(PREFIX + "[0-7][0-9a-f]{7}")
                ? Integer.parseInt(name.substring(PREFIX.length()), 16)
                : -1;
    }

    /** Whether the disk (or a quota) is full, as far as the system says so. */
    static boolean isFull(IOException e) {
        String text = String.valueOf(e.getMessage());
        return text.contains("No space left") || text.contains("quota exceeded");
    }

    /** Takes over a segment that was found at start. */
    void adopt(Segment segment) {
        segments.put(segment.id(), segment);
        index.addSegment(segment);
        var _ = bytes.addAndGet(segment.chargedBytes());
        var _ = lastId.accumulateAndGet(segment.id(), Math::max);
    }

    /** Numbers new segments from the next one on: a number is never used twice. */
    void startAfter(int id) {
        var _ = lastId.accumulateAndGet(id, Math::max);
    }

    /** Opens a file for records of so many bytes or fewer, and charges for it. */
    Segment newSegment(long recordBytes, boolean reserved) throws IOException, NoRoomException {
        long alone = RecordHead.ALIGN_BYTES + recordBytes + Footer.bytes(1);
        long charge = Math.max(options.segmentBytes(), alone);
        long limit = options.bytesMax() - (reserved ? 0 : options.reserveBytes());
        if (bytes.addAndGet(charge) > limit) {
            var _ = bytes.addAndGet(-charge);
            throw new NoRoomException(
                    bytes.get()
                            + " of bytesMax="
                            + limit
                            + " in use, another "
                            + charge
                            + " asked");
        }
        int id = lastId.incrementAndGet();
        Path path = path(folder, id);
        try {
            Segment segment =
                    new Segment(id, stamps.nextLong(), path, medium.create(path, charge), charge);
            try {
                segment.file().write(0, start(segment));
                countWritten(RecordHead.ALIGN_BYTES);
                segment.advance(RecordHead.ALIGN_BYTES);
                medium.syncFolder(folder);
            } catch (IOException e) {
                segment.release();
                medium.delete(path);
                throw e;
            }
            segments.put(id, segment);
            index.addSegment(segment);
            return segment;
        } catch (IOException e) {
            var _ = bytes.addAndGet(-charge);
            throw e;
        }
    }

    /** Ends a segment with its footer, durably, and charges for what it really takes. */
    void seal(Segment segment, List<Footer.Entry> entries) throws IOException {
        long offset = segment.writtenBytes();
        ByteBuffer footer = Footer.encode(segment, Math.toIntExact(offset), entries);
        long end = offset + footer.remaining();
        // A start believes a footer without reading values: they have to be there before it is.
        segment.sync(offset);
        countWritten(footer.remaining());
        segment.file().write(offset, footer);
        if (segment.file().size() > end) {
            segment.file().truncate(end);
        }
        segment.file().force(offset, end);
        var _ = bytes.addAndGet(end - segment.chargedBytes());
        segment.setSealed(offset, end);
    }

    /** Segments of which the database may hold all that is to know. */
    Set<Integer> settled() {
        return segments.values().stream()
                .filter(Segment::isSettled)
                .map(Segment::id)
                .collect(Collectors.toSet());
    }

    /**
     * Makes all deaths durable that the index knows of, and with them whatever superseded the dead.
     *
     * <p>Also those in segments that are about to be removed: a removal may fail, and of several
     * that the power interrupts some may be undone, which would bring their dead back.
     */
    void flushDeaths() throws IOException, NoRoomException {
        flushing.lock();
        try {
            requireRescued();
            long[] killed = index.killed();
            // Deaths that survive by chance, unsynced, must not outlive what superseded the dead.
            for (LogStream each : (Iterable<LogStream>) streams()::iterator) {
                each.sync();
            }
            List<Long> places = new ArrayList<>();
            for (long place : killed) {
                int segment = (int) (place >>> 32);
                if (segments.containsKey(segment)) {
                    places.add(place);
                }
            }
            for (int from = 0; from < places.size(); from += DEATHS_MAX) {
                List<Long> some = places.subList(from, Math.min(from + DEATHS_MAX, places.size()));
                fresh.appendDeaths(encode(some));
            }
            index.forgetKilled(killed.length);
        } finally {
            flushing.unlock();
        }
    }

    /** What superseded a dead value may itself be lost with a segment that could not be synced. */
    private void requireRescued() throws IOException {
        for (Segment segment : segments.values()) {
            if (segment.isBroken() && segment.liveBytes() > 0) {
                throw new IOException(segment + " is broken and has not been copied yet");
            }
        }
    }

    /** Removes segments in which nothing lives; their own deaths records must be superfluous. */
    void remove(Collection<Segment> dead) throws IOException {
        for (Segment segment : dead) {
            medium.delete(segment.path());
        }
        // A file that comes back after a loss of power would bring its dead back.
        medium.syncFolder(folder);
        for (Segment segment : dead) {
            segments.remove(segment.id());
            index.removeSegment(segment);
            var _ = bytes.addAndGet(-segment.chargedBytes());
            segment.release();
        }
    }

    /** Places of the dead that a deaths record names. */
    static List<Long> places(RecordHead deaths) {
        List<Long> places = new ArrayList<>();
        ByteBuffer payload = deaths.payload().duplicate().order(ByteOrder.LITTLE_ENDIAN);
        while (payload.remaining() >= 2 * Long.BYTES) {
            places.add(payload.getLong() << 32 | payload.getLong());
        }
        return places;
    }

    private static ByteBuffer encode(List<Long> places) {
        ByteBuffer payload =
                ByteBuffer.allocate(places.size() * 2 * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (long place : places) {
            payload.putLong(place >>> 32).putLong(place & 0xffffffffL);
        }
        return payload.flip();
    }

    private static ByteBuffer start(Segment segment) {
        ByteBuffer head = RecordHead.encode(RecordHead.Kind.SEGMENT, segment, 0, 0);
        return ByteBuffer.allocate(RecordHead.ALIGN_BYTES).put(head).clear();
    }

    /** Lets go of all files. */
    void close() {
        segments.values().forEach(Segment::release);
        segments.clear();
    }
}
