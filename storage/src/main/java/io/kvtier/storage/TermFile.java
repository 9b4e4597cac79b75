package io.kvtier.storage;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.zip.CRC32C;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The file that keeps {@link Term}s across a restart: rows that are appended and synced, of which
 * the last of a key counts. It is written anew when most of its rows count no more, and after a
 * write that failed.
 *
 * <table>
 * <caption>Row, little-endian</caption>
 * <tr><th>offset</th><th>field</th><th>type</th></tr>
 * <tr><td>0</td><td>scope, key</td><td>48 bytes</td></tr>
 * <tr><td>48</td><td>expiryMillis</td><td>i64, 0 = not said</td></tr>
 * <tr><td>56</td><td>pinnedBytes</td><td>i64, 0 = not pinned</td></tr>
 * <tr><td>64</td><td>reserved</td><td>u32, 0</td></tr>
 * <tr><td>68</td><td>crc32c</td><td>u32, of all bytes before it</td></tr>
 * </table>
 *
 * <p>A row of which both are 0 takes the key out. A row that does not match its checksum is passed
 * over and logged: what it said is lost.
 *
 * <p>Thread-safety: one caller at a time.
 */
final class TermFile implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(TermFile.class);
    static final String NAME = "terms";
    static final int ROW_BYTES = 72;
    private static final int CRC_AT = ROW_BYTES - Integer.BYTES;

    /** Rows that may count no more before the file is written anew, whatever the others. */
    private static final int IDLE_ROWS = 1024;

    private final Path file;
    private final FileChannel lock;
    private FileChannel channel;
    private long rows;
    private boolean broken;

    private TermFile(Path file, FileChannel lock, FileChannel channel) {
        this.file = file;
        this.lock = lock;
        this.channel = channel;
    }

    /** Opens the file in a folder, or makes both, and reads what it says into a map. */
    static TermFile open(Path folder, Map<StoreKey, Term> target) {
        Path file = folder.resolve(NAME);
        try {
            Files.createDirectories(folder, StoreFolder.PRIVATE);
        } catch (IOException e) {
            throw failed(file, e);
        }
        FileChannel lock = FolderLock.take(folder.resolve("LOCK"));
        try {
            FileChannel channel =
                    FileChannel.open(
                            file,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE);
            TermFile opened = new TermFile(file, lock, channel);
            opened.read(target);
            return opened;
        } catch (IOException e) {
            close(lock, file);
            throw failed(file, e);
        }
    }

    private void read(Map<StoreKey, Term> target) throws IOException {
        rows = channel.size() / ROW_BYTES;
        ByteBuffer row = row();
        long damaged = 0;
        for (long i = 0; i < rows; i++) {
            row.clear();
            while (row.hasRemaining()) {
                if (channel.read(row, i * ROW_BYTES + row.position()) < 0) {
                    throw new IOException(file + " became shorter while it was read");
                }
            }
            row.flip();
            if (row.getInt(CRC_AT) == crc(row)) {
                StoreKey key = StoreKey.read(row);
                put(target, key, new Term(row.getLong(), row.getLong()));
            } else {
                damaged++;
            }
        }
        if (damaged > 0) {
            log.error("rows are damaged, what they said is lost file={} rows={}", file, damaged);
        }
        channel.truncate(rows * ROW_BYTES); // the torn end of an append that nobody relied on
    }

    /**
     * Writes down what was said of a key, and returns when it is durable.
     *
     * @param all what holds now, the new term included
     */
    void write(StoreKey key, Term term, Map<StoreKey, Term> all) {
        try {
            if (broken || rows > 2L * all.size() + IDLE_ROWS) {
                rewrite(all);
                return;
            }
            broken = true;
            append(channel, rows, key, term);
            channel.force(false);
            rows++;
            broken = false;
        } catch (IOException e) {
            throw failed(file, e);
        }
    }

    /** Writes the file anew, with what holds. */
    void rewrite(Map<StoreKey, Term> all) throws IOException {
        Path next = file.resolveSibling(file.getFileName() + ".new");
        long count = 0;
        try (FileChannel target =
                FileChannel.open(
                        next,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE)) {
            for (Map.Entry<StoreKey, Term> each : all.entrySet()) {
                append(target, count++, each.getKey(), each.getValue());
            }
            target.force(true);
        }
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
        channel.close();
        channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        rows = count;
        broken = false;
    }

    private static void append(FileChannel target, long index, StoreKey key, Term term)
            throws IOException {
        ByteBuffer row = row();
        key.write(row);
        row.putLong(term.expiryMillis()).putLong(term.pinnedBytes()).putInt(0);
        row.putInt(crc(row)).flip();
        while (row.hasRemaining()) {
            target.write(row, index * ROW_BYTES + row.position());
        }
    }

    static void put(Map<StoreKey, Term> target, StoreKey key, Term term) {
        if (term.equals(Term.NONE)) {
            target.remove(key);
        } else {
            target.put(key, term);
        }
    }

    private static ByteBuffer row() {
        return ByteBuffer.allocate(ROW_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static int crc(ByteBuffer row) {
        CRC32C crc = new CRC32C();
        crc.update(row.array(), 0, CRC_AT);
        return (int) crc.getValue();
    }

    private static UnavailableException failed(Path file, IOException e) {
        return new UnavailableException(
                "pins and times in "
                        + file
                        + " cannot be kept ("
                        + e
                        + "): name a folder that this user may write, on a disk with room",
                e);
    }

    @Override
    public void close() {
        close(channel, file);
        close(lock, file);
    }

    private static void close(FileChannel open, Path file) {
        try {
            open.close();
        } catch (IOException e) {
            log.warn("file not closed file={} cause={}", file, e.toString());
        }
    }
}
