package io.kvtier.storage.log;

import io.kvtier.storage.MetaRecord;
import io.kvtier.storage.ScrubCounts;
import io.kvtier.storage.log.SlotIndex.Held;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.zip.CRC32C;

/**
 * Reads what lives in the log again, segment by segment, and takes out what does not match its
 * checksums any more, before somebody asks for it.
 *
 * <p>It counts as no use, needs no memory but one buffer, and lets reads that are under way go
 * first. How fast it goes is its caller's affair: each call reads about as many bytes as it may.
 *
 * <p>Thread-safety: all methods; one call at a time reads.
 */
final class LogScrubber {
    private static final int PIECE_BYTES = 256 << 10;

    private final ChunkLog log;
    private final SlotIndex index;
    private final Pace pace;
    private final Compactor.Owner owner;
    private final ReentrantLock running = new ReentrantLock();
    private final ByteBuffer piece = ByteBuffer.allocateDirect(PIECE_BYTES);

    /** The segment it is in, and the end of the last record that it has read there. */
    private int segmentId;

    private long offset;

    private volatile ScrubCounts counts = new ScrubCounts(0, 0, 0, 0);

    LogScrubber(ChunkLog log, SlotIndex index, Pace pace, Compactor.Owner owner) {
        this.log = log;
        this.index = index;
        this.pace = pace;
        this.owner = owner;
    }

    ScrubCounts counts() {
        return counts;
    }

    /**
     * Goes on from where the last call ended, for about so many bytes, or to the end of a pass.
     *
     * @return bytes that were read; 0 at the end of a pass
     * @throws IOException if the medium cannot be read
     */
    long scrub(long bytesMax) throws IOException {
        running.lock();
        try {
            long done = 0;
            Optional<Segment> segment = segmentFrom(segmentId);
            while (done < bytesMax && segment.isPresent()) {
                done += scrub(segment.get(), bytesMax - done);
                segment = segmentFrom(segmentId);
            }
            if (done == 0) {
                segmentId = 0;
                offset = 0;
                counts = counts.withPass();
            }
            return done;
        } finally {
            running.unlock();
        }
    }

    private Optional<Segment> segmentFrom(int id) {
        return log.segments().stream()
                .filter(each -> each.id() >= id && !each.isBroken())
                .min((one, other) -> Integer.compare(one.id(), other.id()));
    }

    private long scrub(Segment segment, long bytesMax) throws IOException {
        if (segment.id() > segmentId) {
            segmentId = segment.id();
            offset = 0;
        }
        List<Held> rest =
                index.heldIn(segment).stream()
                        .filter(each -> each.location().offset() >= offset)
                        .toList();
        if (rest.isEmpty() || !segment.tryRetain()) {
            segmentId = segment.id() + 1;
            offset = 0;
            return 0;
        }
        try {
            long done = 0;
            for (Held held : rest) {
                if (done >= bytesMax) {
                    break;
                }
                done += check(held);
                offset = held.location().end();
            }
            return done;
        } finally {
            segment.release();
        }
    }

    private long check(Held held) throws IOException {
        boolean sound = isSound(held.location());
        if (!sound) {
            owner.damaged(held, "value");
        }
        counts = counts.withValue(held.location().recordBytes(), sound);
        return held.location().recordBytes();
    }

    private boolean isSound(Location at) throws IOException {
        RecordHead head = at.segment().readHead(at.offset(), at.recordBytes()).orElse(null);
        MetaRecord record = head == null ? null : Recovery.metaRecord(head).orElse(null);
        if (head == null
                || record == null
                || record.generation() != at.generation()
                || record.meta().bytes() != head.bodyBytes()) {
            return false;
        }
        CRC32C crc = MetaRecord.startValueCrc(head.key(), record.generation());
        long position = (long) at.offset() + head.headBytes();
        long end = position + head.bodyBytes();
        while (position < end) {
            pace.yieldToReads(Math.min(PIECE_BYTES, end - position));
            piece.clear().limit((int) Math.min(PIECE_BYTES, end - position));
            try {
                at.segment().file().read(position, piece);
            } catch (EOFException e) {
                return false;
            }
            position += piece.limit();
            crc.update(piece.flip());
        }
        return (int) crc.getValue() == record.valueCrc();
    }
}
