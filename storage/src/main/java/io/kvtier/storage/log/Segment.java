package io.kvtier.storage.log;

import io.kvtier.storage.log.RecordHead.Kind;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One file of the log: records from the front, and a footer when it is sealed.
 *
 * <p>Ownership: counted; the log holds one reference, each reader another. The file closes with the
 * last. Thread-safety: all methods, but one appends at a time.
 */
final class Segment {
    private static final Logger log = LoggerFactory.getLogger(Segment.class);
    private static final int HEAD_GUESS_BYTES = 1024;

    private final int id;
    private final long stamp;
    private final Path path;
    private final SegmentFile file;
    private final AtomicInteger references = new AtomicInteger(1);
    private final AtomicInteger unpublished = new AtomicInteger();
    private final ReentrantLock syncing = new ReentrantLock();

    /** Where the next record goes; whole records only. */
    private volatile long writtenBytes;

    private volatile long syncedBytes;
    private volatile boolean sealed;
    private volatile boolean broken;

    /** What it is charged with against the budget. */
    private volatile long chargedBytes;

    /** The first of the slots that point here; like the sums, kept under the index's lock. */
    int firstLive = Slots.NONE;

    private final AtomicInteger liveCount = new AtomicInteger();
    private final AtomicLong liveBytes = new AtomicLong();

    Segment(int id, long stamp, Path path, SegmentFile file, long chargedBytes) {
        this.id = id;
        this.stamp = stamp;
        this.path = path;
        this.file = file;
        this.chargedBytes = chargedBytes;
    }

    int id() {
        return id;
    }

    /** What all of its records carry. */
    long stamp() {
        return stamp;
    }

    Path path() {
        return path;
    }

    SegmentFile file() {
        return file;
    }

    long writtenBytes() {
        return writtenBytes;
    }

    long chargedBytes() {
        return chargedBytes;
    }

    /** Records in it that count. */
    int liveCount() {
        return liveCount.get();
    }

    /** Bytes of the records in it that count. */
    long liveBytes() {
        return liveBytes.get();
    }

    /** Counts a record in, or out; under the index's lock. */
    void countLive(int count, long bytes) {
        var _ = liveCount.addAndGet(count);
        var _ = liveBytes.addAndGet(bytes);
    }

    /** Complete, with a footer, and durable. */
    boolean isSealed() {
        return sealed;
    }

    /** A write or a sync failed: nothing is added, and what is not synced may be gone. */
    boolean isBroken() {
        return broken;
    }

    void markBroken() {
        broken = true;
    }

    /** Records that were written and of which the index has not heard yet. */
    AtomicInteger unpublished() {
        return unpublished;
    }

    /** Whether nothing more will happen to it than that values in it die. */
    boolean isSettled() {
        return sealed && unpublished.get() == 0;
    }

    /** Whether a record that ends there would survive a loss of power. */
    boolean isDurable(long end) {
        return end <= syncedBytes;
    }

    /** Says that everything up to there is written. */
    void advance(long end) {
        writtenBytes = end;
    }

    /** Says that the file is complete and durable. */
    void setSealed(long recordsEnd, long fileBytes) {
        syncing.lock();
        try {
            writtenBytes = recordsEnd;
            syncedBytes = recordsEnd;
            chargedBytes = fileBytes;
            sealed = true;
        } finally {
            syncing.unlock();
        }
    }

    /**
     * Returns when a record that ends there would survive a loss of power. Those who wait share a
     * sync: whoever comes first syncs for all who have written by then.
     *
     * @throws IOException if it fails, after which the segment is {@link #isBroken broken}: the
     *     system may have dropped what it could not write, so trying again would prove nothing
     */
    void sync(long end) throws IOException {
        if (end <= syncedBytes) {
            return;
        }
        syncing.lock();
        try {
            if (end <= syncedBytes) {
                return;
            }
            if (broken) {
                throw new IOException("an earlier write or sync of " + path + " failed");
            }
            long upTo = writtenBytes;
            try {
                file.force(syncedBytes, upTo);
            } catch (IOException e) {
                broken = true;
                throw e;
            }
            syncedBytes = Math.max(syncedBytes, upTo);
        } finally {
            syncing.unlock();
        }
    }

    /**
     * The head of the record at an offset, or nothing if there is no sound one.
     *
     * @param rest bytes that the record may have at most
     */
    Optional<RecordHead> readHead(long offset, long rest) throws IOException {
        try {
            ByteBuffer guess = ByteBuffer.allocate((int) Math.min(HEAD_GUESS_BYTES, rest));
            file.read(offset, guess);
            int bytes = RecordHead.announcedBytes(guess.flip(), this, offset).orElse(0);
            if (bytes <= guess.remaining()) {
                return RecordHead.parse(guess, this, offset);
            }
            if (bytes > rest) {
                return Optional.empty();
            }
            ByteBuffer whole = ByteBuffer.allocate(bytes);
            file.read(offset, whole);
            return RecordHead.parse(whole.flip(), this, offset);
        } catch (EOFException e) {
            return Optional.empty();
        }
    }

    /** The records by the footer, or nothing if there is no sound one at the end of the file. */
    Optional<List<Footer.Entry>> readFooter() throws IOException {
        long bytes = file.size();
        if (bytes < RecordHead.ALIGN_BYTES + Footer.bytes(0)) {
            return Optional.empty();
        }
        ByteBuffer trailer = ByteBuffer.allocate(Footer.TRAILER_BYTES);
        file.read(bytes - Footer.TRAILER_BYTES, trailer);
        Optional<Long> offset = Footer.offset(trailer.flip(), bytes);
        if (offset.isEmpty()) {
            return Optional.empty();
        }
        return readHead(offset.get(), bytes - offset.get())
                .filter(head -> head.kind() == Kind.FOOTER)
                .map(Footer::entries)
                .filter(entries -> offset.get() + Footer.bytes(entries.size()) == bytes);
    }

    /** All deaths records, by the footer if there is one. */
    List<RecordHead> readDeaths() throws IOException {
        List<RecordHead> deaths = new ArrayList<>();
        Optional<List<Footer.Entry>> footer = readFooter();
        if (footer.isPresent()) {
            for (Footer.Entry entry : footer.get()) {
                if (entry.kind() == Kind.DEATHS) {
                    readHead(entry.offset(), entry.recordBytes()).ifPresent(deaths::add);
                }
            }
            return deaths;
        }
        for (long at = RecordHead.ALIGN_BYTES; at < writtenBytes; ) {
            Optional<RecordHead> head = readHead(at, writtenBytes - at);
            head.filter(each -> each.kind() == Kind.DEATHS).ifPresent(deaths::add);
            at += head.map(RecordHead::recordBytes).orElse((long) RecordHead.ALIGN_BYTES);
        }
        return deaths;
    }

    /** Takes a reference, or not if the last one is gone. */
    boolean tryRetain() {
        int count = references.get();
        while (count > 0) {
            int witness = references.compareAndExchange(count, count + 1);
            if (witness == count) {
                return true;
            }
            count = witness;
        }
        return false;
    }

    /** Gives a reference back. */
    void release() {
        int left = references.decrementAndGet();
        if (left < 0) {
            throw new AssertionError("segment " + id + " released too often");
        }
        if (left == 0) {
            try {
                file.close();
            } catch (IOException e) {
                log.warn("segment file not closed file={} cause={}", path, e.toString());
            }
        }
    }

    @Override
    public String toString() {
        return "segment " + id;
    }
}
