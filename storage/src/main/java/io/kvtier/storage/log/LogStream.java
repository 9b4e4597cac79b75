package io.kvtier.storage.log;

import io.kvtier.storage.StoreKey;
import io.kvtier.storage.log.RecordHead.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Appends to one segment after another: the values that belong together because they are likely to
 * die together.
 *
 * <p>A record is either whole or the next one takes its place: after a failed write the end of the
 * segment has not moved.
 *
 * <p>Thread-safety: all methods; writers take turns, so that what is in front of a record is
 * written before the record is synced.
 */
final class LogStream {
    private static final ByteBuffer ZEROS = ByteBuffer.allocateDirect(RecordHead.ALIGN_BYTES);

    private final ChunkLog log;
    private final boolean shared;
    private final ReentrantLock lock = new ReentrantLock();
    private List<Footer.Entry> entries = new ArrayList<>();
    private @Nullable Segment active;

    /**
     * Writes the body of a record, and gives the payload of its head; null if it is not worth one.
     */
    interface BodyWriter {
        @Nullable ByteBuffer write(SegmentFile target, long position) throws IOException;
    }

    /**
     * @param shared whether puts and copies meet in it: then puts must not fill what compaction
     *     opened of the room that is set aside for it
     */
    LogStream(ChunkLog log, boolean shared) {
        this.log = log;
        this.shared = shared;
    }

    /**
     * Appends a value. Its segment counts it as unpublished: the caller tells when the index knows.
     *
     * @param meta its meta record
     * @param reserved whether room set aside for compaction may be used
     */
    Location append(
            StoreKey key, long generation, ByteBuffer meta, ByteBuffer body, boolean reserved)
            throws IOException, NoRoomException {
        ByteBuffer keyBytes = keyBytes(key);
        int headBytes = RecordHead.headBytes(keyBytes, meta);
        long recordBytes = RecordHead.recordBytes(headBytes, body.remaining());
        lock.lock();
        try {
            Segment segment = withRoom(recordBytes, reserved);
            int offset = (int) segment.writtenBytes();
            ByteBuffer head =
                    RecordHead.encode(
                            Kind.CHUNK, segment, offset, body.remaining(), keyBytes, meta);
            write(segment, offset, recordBytes, head, body);
            return added(
                    segment,
                    new Footer.Entry(Kind.CHUNK, key, generation, offset, (int) recordBytes));
        } finally {
            lock.unlock();
        }
    }

    /**
     * Appends a copy of a record, as it is or cut.
     *
     * @return where it is, or null if the writer found it bad; then nothing is there
     */
    @Nullable Location copy(CopyShape shape, BodyWriter body) throws IOException, NoRoomException {
        long recordBytes = shape.recordBytes();
        lock.lock();
        try {
            Segment segment = withRoom(recordBytes, true);
            int offset = (int) segment.writtenBytes();
            try {
                ByteBuffer payload = body.write(segment.file(), (long) offset + shape.headBytes());
                if (payload == null) {
                    return null;
                }
                ByteBuffer head =
                        RecordHead.encode(Kind.CHUNK, segment, offset, shape.bodyBytes(), payload);
                segment.file().write(offset, head);
                long end = (long) offset + shape.headBytes() + shape.bodyBytes();
                segment.file().write(end, padding(end));
            } catch (IOException e) {
                failed(segment, e);
                throw e;
            }
            log.countWritten(recordBytes);
            segment.advance(offset + recordBytes);
            return added(
                    segment,
                    new Footer.Entry(
                            Kind.CHUNK,
                            shape.key(),
                            shape.generation(),
                            offset,
                            (int) recordBytes));
        } finally {
            lock.unlock();
        }
    }

    /** Appends deaths, and returns when they are durable, with everything appended before. */
    void appendDeaths(ByteBuffer places) throws IOException, NoRoomException {
        Segment segment;
        lock.lock();
        try {
            int headBytes = RecordHead.headBytes(places);
            long recordBytes = RecordHead.recordBytes(headBytes, 0);
            segment = withRoom(recordBytes, true);
            int offset = (int) segment.writtenBytes();
            ByteBuffer head = RecordHead.encode(Kind.DEATHS, segment, offset, 0, places);
            write(segment, offset, recordBytes, head, ByteBuffer.allocate(0));
            entries.add(Footer.deaths(offset, (int) recordBytes));
        } finally {
            lock.unlock();
        }
        segment.sync(segment.writtenBytes());
    }

    /** Returns when everything appended so far is durable, but for what is broken. */
    void sync() throws IOException {
        Segment segment = active();
        if (segment != null && !segment.isBroken()) {
            segment.sync(segment.writtenBytes());
        }
    }

    /** Ends the open segment, if there is one. */
    void seal() throws IOException {
        lock.lock();
        try {
            Segment segment = active;
            if (segment != null) {
                seal(segment);
                active = null;
            }
        } finally {
            lock.unlock();
        }
    }

    private @Nullable Segment active() {
        lock.lock();
        try {
            return active;
        } finally {
            lock.unlock();
        }
    }

    private Segment withRoom(long recordBytes, boolean reserved)
            throws IOException, NoRoomException {
        if (shared && !reserved) {
            log.requireUnreserved();
        }
        Segment segment = active;
        if (segment != null && !segment.isBroken()) {
            long end = segment.writtenBytes() + recordBytes + Footer.bytes(entries.size() + 1L);
            if (end <= segment.chargedBytes()) {
                return segment;
            }
            seal(segment);
        }
        active = null;
        entries = new ArrayList<>();
        segment = log.newSegment(recordBytes, reserved);
        active = segment;
        return segment;
    }

    private void seal(Segment segment) throws IOException {
        if (segment.isBroken()) {
            return; // its end is found by its records at the next start
        }
        try {
            log.seal(segment, entries);
        } catch (IOException e) {
            failed(segment, e);
            throw e;
        }
    }

    private void write(
            Segment segment, int offset, long recordBytes, ByteBuffer head, ByteBuffer body)
            throws IOException {
        long end = (long) offset + head.remaining() + body.remaining();
        try {
            segment.file().write(offset, head, body, padding(end));
        } catch (IOException e) {
            failed(segment, e);
            throw e;
        }
        log.countWritten(recordBytes);
        segment.advance(offset + recordBytes);
    }

    private Location added(Segment segment, Footer.Entry entry) {
        var _ = segment.unpublished().incrementAndGet();
        entries.add(entry);
        return new Location(entry.generation(), segment, entry.offset(), entry.recordBytes());
    }

    /** A full disk leaves the segment as it is; after other errors nothing is known of it. */
    private static void failed(Segment segment, IOException e) {
        if (!ChunkLog.isFull(e)) {
            segment.markBroken();
        }
    }

    private static ByteBuffer padding(long end) {
        return ZEROS.duplicate().limit((int) (RecordHead.align(end) - end));
    }

    private static ByteBuffer keyBytes(StoreKey key) {
        ByteBuffer bytes = ByteBuffer.allocate(StoreKey.BYTES);
        key.write(bytes);
        return bytes.flip();
    }
}
