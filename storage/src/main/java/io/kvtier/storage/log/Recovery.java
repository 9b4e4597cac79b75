package io.kvtier.storage.log;

import io.kvtier.storage.CorruptChunkException;
import io.kvtier.storage.MetaRecord;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.log.IndexDatabase.Coverage;
import io.kvtier.storage.log.IndexDatabase.LostException;
import io.kvtier.storage.log.RecordHead.Kind;
import io.kvtier.storage.log.SlotIndex.Row;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings a log and its index back after whatever happened.
 *
 * <p>Segments that the database covers are believed to be as it says. Of the others a sealed one is
 * read by its footer, and an open one record by record, values and all; it is cut behind its last
 * whole record and sealed. What is not whole in between (a flipped bit) is left out: the records
 * behind it are found again by their stamps.
 *
 * <p>Used once, by one thread, before the store serves.
 */
final class Recovery {
    private static final Logger log = LoggerFactory.getLogger(Recovery.class);
    private static final int BUFFER_BYTES = 1 << 20;

    private final Path folder;
    private final Medium medium;
    private final ChunkLog target;
    private final SlotIndex index;
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
    private final List<Candidate> candidates = new ArrayList<>();
    private final Set<Long> dead = new HashSet<>();
    private final Set<Integer> trusted = new HashSet<>();
    private long generationMax;
    private int segmentMax;
    private long damaged;
    private boolean changed;

    /** A record that was found in the log and may be the one that counts for its key. */
    private record Candidate(StoreKey key, Location location) {}

    Recovery(Path folder, Medium medium, ChunkLog target, SlotIndex index) {
        this.folder = folder;
        this.medium = medium;
        this.target = target;
        this.index = index;
    }

    /** The highest generation that was ever given out. */
    long generationMax() {
        return generationMax;
    }

    /** Records and heads that did not match their checksums. */
    long damaged() {
        return damaged;
    }

    /** Whether the database has to hear of anything. */
    boolean changed() {
        return changed;
    }

    /**
     * Reads everything back.
     *
     * @param database what there is of it; null if it is lost
     * @throws LostException if it cannot be read: to be called again without it, on a new index
     */
    void run(@Nullable IndexDatabase database) throws IOException, LostException {
        Coverage coverage = database == null ? Coverage.NONE : database.coverage();
        generationMax = coverage.generation();
        segmentMax = coverage.lastSegment();
        for (Path file : files()) {
            Segment segment = open(file);
            segmentMax = Math.max(segmentMax, segment.id());
            target.adopt(segment);
            if (coverage.segments().contains(segment.id())) {
                segment.setSealed(segment.chargedBytes(), segment.chargedBytes());
                trusted.add(segment.id());
            } else {
                changed = true;
                readIn(segment);
            }
        }
        if (database != null) {
            database.scan(this::load);
        }
        index.sortLoaded();
        settle();
        target.startAfter(segmentMax);
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> ChunkLog.id(file) >= 0).sorted().toList();
        }
    }

    private Segment open(Path path) throws IOException {
        int id = ChunkLog.id(path);
        SegmentFile file = medium.open(path);
        long bytes = file.size();
        // The first record stands in for a start that is damaged.
        for (long offset = 0; offset <= RecordHead.ALIGN_BYTES; offset += RecordHead.ALIGN_BYTES) {
            long rest = bytes - offset;
            if (rest >= RecordHead.FIXED_BYTES) {
                ByteBuffer head = ByteBuffer.allocate(RecordHead.FIXED_BYTES);
                file.read(offset, head);
                long stamp = RecordHead.stamp(head.flip());
                Segment segment = new Segment(id, stamp, path, file, bytes);
                if (segment.readHead(offset, rest).isPresent()) {
                    return segment;
                }
            }
        }
        return new Segment(id, 0, path, file, bytes);
    }

    private void readIn(Segment segment) throws IOException {
        Optional<List<Footer.Entry>> footer = segment.readFooter();
        if (footer.isEmpty()) {
            walk(segment);
            return;
        }
        segment.setSealed(segment.chargedBytes(), segment.chargedBytes());
        for (Footer.Entry entry : footer.get()) {
            if (entry.kind() == Kind.CHUNK) {
                found(segment, entry);
            } else {
                segment.readHead(entry.offset(), entry.recordBytes())
                        .filter(head -> head.kind() == Kind.DEATHS)
                        .ifPresentOrElse(this::foundDeaths, () -> damaged(segment, entry.offset()));
            }
        }
    }

    /** Reads a segment that was not sealed, and seals it. */
    private void walk(Segment segment) throws IOException {
        long bytes = segment.file().size();
        List<Footer.Entry> entries = new ArrayList<>();
        long end = RecordHead.ALIGN_BYTES;
        for (long at = end; at < bytes; ) {
            Optional<RecordHead> head = segment.readHead(at, bytes - at);
            if (head.isEmpty() || !isWhole(segment, at, head.get())) {
                at += RecordHead.ALIGN_BYTES;
                continue;
            }
            if (at > end) {
                damaged(segment, end);
            }
            add(segment, (int) at, head.get(), entries);
            at += head.get().recordBytes();
            end = Math.min(at, RecordHead.align(bytes));
        }
        if (end < bytes) {
            log.warn("torn end cut off file={} from={} bytes={}", segment.path(), end, bytes - end);
        }
        segment.advance(end);
        try {
            segment.file().truncate(end);
            target.seal(segment, entries);
        } catch (IOException e) {
            log.warn("segment stays open file={} cause={}", segment.path(), e.toString());
            segment.markBroken();
        }
    }

    private void add(Segment segment, int offset, RecordHead head, List<Footer.Entry> entries) {
        int recordBytes = (int) head.recordBytes();
        switch (head.kind()) {
            case CHUNK -> {
                long generation = metaRecord(head).map(MetaRecord::generation).orElse(0L);
                Footer.Entry entry =
                        new Footer.Entry(Kind.CHUNK, head.key(), generation, offset, recordBytes);
                entries.add(entry);
                found(segment, entry);
            }
            case DEATHS -> {
                entries.add(Footer.deaths(offset, recordBytes));
                foundDeaths(head);
            }
            case SEGMENT, FOOTER -> {} // a footer that did not get its end
        }
    }

    private boolean isWhole(Segment segment, long at, RecordHead head) throws IOException {
        if (head.kind() != Kind.CHUNK) {
            return true;
        }
        Optional<MetaRecord> record = metaRecord(head);
        if (record.isEmpty() || record.get().meta().bytes() != head.bodyBytes()) {
            return false;
        }
        CRC32C crc = MetaRecord.startValueCrc(head.key(), record.get().generation());
        long position = at + head.headBytes();
        long end = position + head.bodyBytes();
        try {
            while (position < end) {
                buffer.clear().limit((int) Math.min(buffer.capacity(), end - position));
                segment.file().read(position, buffer);
                position += buffer.position();
                crc.update(buffer.flip());
            }
        } catch (EOFException e) {
            return false;
        }
        return (int) crc.getValue() == record.get().valueCrc();
    }

    private void found(Segment segment, Footer.Entry entry) {
        Location location =
                new Location(entry.generation(), segment, entry.offset(), entry.recordBytes());
        candidates.add(new Candidate(entry.key(), location));
        generationMax = Math.max(generationMax, entry.generation());
    }

    private void foundDeaths(RecordHead head) {
        for (long place : ChunkLog.places(head)) {
            dead.add(place);
            segmentMax = Math.max(segmentMax, (int) (place >>> 32));
        }
    }

    private void load(Row row) {
        generationMax = Math.max(generationMax, row.generation());
        if (trusted.contains(row.segment()) && !dead.contains(row.place())) {
            index.load(row);
        } else {
            index.forget(row.key());
            changed = true;
        }
    }

    /** Decides which record counts for each key; the others die. */
    private void settle() {
        candidates.sort(
                Comparator.comparingLong((Candidate each) -> each.location().generation())
                        .thenComparingInt(each -> each.location().segment().id()));
        for (Candidate each : candidates) {
            if (dead.contains(each.location().place())) {
                continue;
            }
            Location held = index.peek(each.key());
            if (held == null || held.generation() <= each.location().generation()) {
                index.put(each.key(), each.location());
            } else {
                index.kill(each.location());
            }
        }
    }

    private void damaged(Segment segment, long offset) {
        damaged++;
        log.error("damage in the log file={} offset={}", segment.path(), offset);
    }

    static Optional<MetaRecord> metaRecord(RecordHead head) {
        ByteBuffer payload = head.payload().duplicate();
        if (head.kind() != Kind.CHUNK || payload.remaining() < StoreKey.BYTES) {
            return Optional.empty();
        }
        StoreKey key = StoreKey.read(payload);
        byte[] bytes = new byte[payload.remaining()];
        payload.get(bytes);
        try {
            return Optional.of(MetaRecord.decode(key, bytes));
        } catch (CorruptChunkException e) {
            return Optional.empty();
        }
    }
}
