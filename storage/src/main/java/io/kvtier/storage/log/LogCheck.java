package io.kvtier.storage.log;

import io.kvtier.storage.FolderLock;
import io.kvtier.storage.MetaRecord;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.StoreReport;
import io.kvtier.storage.StoreReport.Finding;
import io.kvtier.storage.UnavailableException;
import io.kvtier.storage.log.RecordHead.Kind;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Reads every byte of a log that nobody has open: heads, values, the zeros behind them, footers.
 *
 * <p>The index is not read, since the log does without. Nothing is written but a lock is taken.
 */
public final class LogCheck {
    private static final int BUFFER_BYTES = 1 << 20;

    private final Path folder;
    private final StoreReport.Builder report;
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
    private final List<Found> records = new ArrayList<>();
    private final Set<Long> dead = new HashSet<>();

    /** A chunk's record; {@code trouble} is empty if it is sound. */
    private record Found(
            Path file, StoreKey key, long generation, long place, long bytes, String trouble) {}

    private LogCheck(Path folder) {
        this.folder = folder;
        this.report = new StoreReport.Builder(folder.toString(), LogEngine.LAYOUT);
    }

    /**
     * Checks a store.
     *
     * @param folder of the store, with its LOCK
     * @throws UnavailableException if a process has it open
     */
    public static StoreReport run(Path folder) throws IOException {
        FileChannel lock = FolderLock.take(folder.resolve("LOCK"));
        try {
            return new LogCheck(folder).check();
        } finally {
            lock.close();
        }
    }

    private StoreReport check() throws IOException {
        List<Path> files;
        try (Stream<Path> all = Files.list(folder.resolve("log"))) {
            files = all.filter(file -> ChunkLog.id(file) >= 0).sorted().toList();
        }
        for (Path file : files) {
            try (ReadOnlyFile bytes = new ReadOnlyFile(file)) {
                report.addFile(bytes.size());
                read(file, bytes);
            }
        }
        settle();
        return report.build();
    }

    private void read(Path path, ReadOnlyFile file) throws IOException {
        long size = file.size();
        ByteBuffer start = ByteBuffer.allocate(RecordHead.FIXED_BYTES);
        if (size >= RecordHead.ALIGN_BYTES) {
            file.read(0, start);
        }
        long stamp = RecordHead.stamp(start.clear());
        Segment segment = new Segment(ChunkLog.id(path), stamp, path, file, size);
        if (segment.readHead(0, size).isEmpty()) {
            damage(path, 0, "a sound head of the segment, and there is none");
            long next = RecordHead.ALIGN_BYTES;
            if (size >= next + RecordHead.FIXED_BYTES) {
                file.read(next, start.clear());
                long other = RecordHead.stamp(start.clear());
                segment = new Segment(segment.id(), other, path, file, size);
            }
        }
        int headBytes = RecordHead.headBytes(ByteBuffer.allocate(0));
        requireZeros(segment, headBytes, Math.min(size, RecordHead.ALIGN_BYTES));
        Optional<List<Footer.Entry>> footer = segment.readFooter();
        long recordsEnd = walk(segment, footer.isPresent());
        if (footer.isEmpty()) {
            Optional<Long> announced = announcedFooter(file, size);
            if (announced.isPresent()) {
                damage(path, announced.get(), "a sound footer, and there is none");
            } else {
                report.addTorn(size - recordsEnd);
            }
        } else {
            for (Footer.Entry entry : footer.get()) {
                if (entry.kind() == Kind.CHUNK && !isKnown(segment, entry.offset())) {
                    String trouble = "a sound head, and there is none";
                    long place = (long) segment.id() << 32 | entry.offset();
                    records.add(
                            new Found(path, entry.key(), entry.generation(), place, 0, trouble));
                }
            }
        }
    }

    /** Where a file says that its footer starts. */
    private static Optional<Long> announcedFooter(ReadOnlyFile file, long size) throws IOException {
        if (size < RecordHead.ALIGN_BYTES + Footer.bytes(0)) {
            return Optional.empty();
        }
        ByteBuffer trailer = ByteBuffer.allocate(Footer.TRAILER_BYTES);
        file.read(size - Footer.TRAILER_BYTES, trailer);
        return Footer.offset(trailer.flip(), size);
    }

    private boolean isKnown(Segment segment, int offset) {
        long place = (long) segment.id() << 32 | offset;
        for (int i = records.size() - 1; i >= 0 && segmentOf(records.get(i)) == segment.id(); i--) {
            if (records.get(i).place() == place) {
                return true;
            }
        }
        return false;
    }

    private static int segmentOf(Found record) {
        return (int) (record.place() >>> 32);
    }

    /** Reads record by record; returns where the last one ends. */
    private long walk(Segment segment, boolean isSealed) throws IOException {
        long size = segment.file().size();
        long end = RecordHead.ALIGN_BYTES;
        for (long at = end; at < size; ) {
            RecordHead head = segment.readHead(at, size - at).orElse(null);
            if (head == null) {
                at += RecordHead.ALIGN_BYTES;
                continue;
            }
            if (at > end) {
                damage(segment.path(), end, "a sound record, and there is none");
            }
            boolean whole = head.kind() != Kind.CHUNK || add(segment, at, head, isSealed);
            if (head.kind() == Kind.DEATHS) {
                dead.addAll(ChunkLog.places(head));
            }
            if (!whole) {
                // Of a file that was not closed: nobody was told that this is here.
                return at;
            }
            long bodyEnd = at + head.headBytes() + head.bodyBytes();
            if (head.kind() == Kind.FOOTER) {
                if (!isSealed) {
                    damage(segment.path(), at, "a footer with its place at the end of the file");
                }
                requireZeros(segment, bodyEnd, size - Footer.TRAILER_BYTES);
                return size;
            }
            end = at + head.recordBytes();
            requireZeros(segment, bodyEnd, end);
            at = end;
        }
        return end;
    }

    /** Notes a chunk; false if it is the torn end of a file that was not closed. */
    private boolean add(Segment segment, long at, RecordHead head, boolean isSealed)
            throws IOException {
        Path path = segment.path();
        MetaRecord record = Recovery.metaRecord(head).orElse(null);
        long place = (long) segment.id() << 32 | at;
        if (record == null) {
            records.add(new Found(path, head.key(), 0, place, 0, "a sound meta record"));
            return true;
        }
        String trouble = "";
        if (record.meta().bytes() != head.bodyBytes()) {
            trouble = "a body of " + record.meta().bytes() + " bytes, got " + head.bodyBytes();
        } else {
            Integer crc = crc(segment, at, head, record);
            boolean last = at + head.recordBytes() >= segment.file().size();
            if (!isSealed && last && (crc == null || crc != record.valueCrc())) {
                return false;
            }
            if (crc == null || crc != record.valueCrc()) {
                String got = crc == null ? "the end of the file" : Integer.toHexString(crc);
                trouble = "crc " + Integer.toHexString(record.valueCrc()) + ", got " + got;
            }
        }
        records.add(
                new Found(
                        path,
                        head.key(),
                        record.generation(),
                        place,
                        record.meta().bytes(),
                        trouble));
        return true;
    }

    /** Of the value; null if the file ends before. */
    private @Nullable Integer crc(Segment segment, long at, RecordHead head, MetaRecord record)
            throws IOException {
        CRC32C crc = MetaRecord.startValueCrc(head.key(), record.generation());
        long position = at + head.headBytes();
        long end = position + head.bodyBytes();
        try {
            while (position < end) {
                buffer.clear().limit((int) Math.min(BUFFER_BYTES, end - position));
                segment.file().read(position, buffer);
                position += buffer.position();
                crc.update(buffer.flip());
            }
        } catch (EOFException e) {
            return null;
        }
        return (int) crc.getValue();
    }

    private void requireZeros(Segment segment, long from, long to) throws IOException {
        long end = Math.min(to, segment.file().size());
        if (from >= end) {
            return;
        }
        ByteBuffer zeros = ByteBuffer.allocate((int) (end - from));
        segment.file().read(from, zeros);
        for (byte each : zeros.array()) {
            if (each != 0) {
                damage(segment.path(), from, "zeros behind a record, and there are others");
                return;
            }
        }
    }

    /** Decides which records count: not the dead, and of each key the newest. */
    private void settle() {
        Map<StoreKey, Found> newest = new HashMap<>();
        for (Found each : records) {
            if (!dead.contains(each.place())) {
                newest.merge(each.key(), each, (a, b) -> b.generation() > a.generation() ? b : a);
            }
        }
        for (Found each : records) {
            boolean counts = each.equals(newest.get(each.key()));
            if (!each.trouble().isEmpty()) {
                report.add(
                        new Finding(
                                each.file().toString(),
                                each.place() & 0xffffffffL,
                                StoreReport.hex(each.key()),
                                counts,
                                "expected " + each.trouble()));
            } else if (counts) {
                report.addValue(each.bytes());
            }
            if (!counts) {
                report.addDead();
            }
        }
    }

    private void damage(Path file, long offset, String what) {
        report.add(new Finding(file.toString(), offset, "", false, "expected " + what));
    }

    /** A file that is read, and nothing else. */
    private static final class ReadOnlyFile implements SegmentFile {
        private final FileChannel channel;

        ReadOnlyFile(Path file) throws IOException {
            channel = FileChannel.open(file, StandardOpenOption.READ);
        }

        @Override
        public void read(long position, ByteBuffer target) throws IOException {
            int start = target.position();
            while (target.hasRemaining()) {
                if (channel.read(target, position + target.position() - start) < 0) {
                    throw new EOFException("the file ends at " + channel.size());
                }
            }
        }

        @Override
        public long size() throws IOException {
            return channel.size();
        }

        @Override
        public void write(long position, ByteBuffer... sources) {
            throw new AssertionError("a check writes nothing");
        }

        @Override
        public void force(long start, long end) {
            throw new AssertionError("a check writes nothing");
        }

        @Override
        public void truncate(long bytes) {
            throw new AssertionError("a check writes nothing");
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }
}
