package io.kvtier.storage.log;

import io.kvtier.storage.StoreKey;
import io.kvtier.storage.log.SlotIndex.Changes;
import io.kvtier.storage.log.SlotIndex.Row;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.Cache;
import org.rocksdb.CompressionType;
import org.rocksdb.FlushOptions;
import org.rocksdb.InfoLogLevel;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * The RocksDB that holds the index between two runs: a row for every value in the segments that it
 * covers. It may be lost at any time; the log has it all.
 *
 * <p>Written without a write-ahead log, and flushed at checkpoints: nothing is synced twice. What
 * was not flushed is gone after the close, as after a crash.
 *
 * <p>Row, big-endian, by scope ‖ key: segment u32, offset u32, recordBytes u32, generation u64,
 * tick u64. One more row, {@code covered}: lastSegment u32, generation u64, then the covered
 * segments, u32 each.
 *
 * <p>Thread-safety: one caller at a time.
 */
final class IndexDatabase implements AutoCloseable {
    private static final byte[] COVERED = "covered".getBytes(StandardCharsets.UTF_8);
    private static final int ROW_BYTES = 28;
    private static final int BATCH_ROWS = 4096;
    private static final long MEMTABLE_BYTES = 16L << 20;
    private static final long CACHE_BYTES = 1L << 20;
    private static final int OPEN_FILES_MAX = 64;

    private final List<AutoCloseable> resources = new ArrayList<>();
    private final RocksDB database;
    private final WriteOptions unlogged;

    /** The database cannot be opened, read or written: the log has to stand in for it. */
    static final class LostException extends Exception {
        private static final long serialVersionUID = 1L;

        LostException(String message, RocksDBException cause) {
            super(message + ": " + cause.getMessage(), cause);
        }
    }

    /** How far a checkpoint got: what else there is has to be read from the log. */
    record Coverage(int lastSegment, long generation, Set<Integer> segments) {
        static final Coverage NONE = new Coverage(0, 0, Set.of());
    }

    IndexDatabase(Path folder) throws LostException {
        RocksDB.loadLibrary();
        unlogged = own(new WriteOptions()).setDisableWAL(true);
        Cache cache = own(new LRUCache(CACHE_BYTES));
        Options options =
                own(new Options())
                        .setCreateIfMissing(true)
                        .setAvoidFlushDuringShutdown(true)
                        .setCompressionType(CompressionType.NO_COMPRESSION)
                        .setWriteBufferSize(MEMTABLE_BYTES)
                        .setMaxOpenFiles(OPEN_FILES_MAX)
                        .setInfoLogLevel(InfoLogLevel.ERROR_LEVEL)
                        .setMaxLogFileSize(1L << 20)
                        .setKeepLogFileNum(2)
                        .setStatsDumpPeriodSec(0)
                        .setTableFormatConfig(new BlockBasedTableConfig().setBlockCache(cache));
        try {
            database = own(RocksDB.open(options, folder.toString()));
        } catch (RocksDBException e) {
            close();
            throw new LostException("index in " + folder + " does not open", e);
        }
    }

    /** How far the last checkpoint got. */
    Coverage coverage() throws LostException {
        try {
            byte[] bytes = database.get(COVERED);
            if (bytes == null || bytes.length < Integer.BYTES + Long.BYTES) {
                return Coverage.NONE;
            }
            ByteBuffer source = ByteBuffer.wrap(bytes);
            int lastSegment = source.getInt();
            long generation = source.getLong();
            Set<Integer> segments = new HashSet<>();
            while (source.remaining() >= Integer.BYTES) {
                segments.add(source.getInt());
            }
            return new Coverage(lastSegment, generation, segments);
        } catch (RocksDBException e) {
            throw new LostException("index cannot be read", e);
        }
    }

    /** Gives out all rows, in order of their keys. */
    void scan(Consumer<Row> visitor) throws LostException {
        try (RocksIterator rows = database.newIterator()) {
            for (rows.seekToFirst(); rows.isValid(); rows.next()) {
                ByteBuffer key = ByteBuffer.wrap(rows.key());
                ByteBuffer row = ByteBuffer.wrap(rows.value());
                if (key.remaining() == StoreKey.BYTES && row.remaining() == ROW_BYTES) {
                    visitor.accept(
                            new Row(
                                    StoreKey.read(key),
                                    row.getInt(),
                                    row.getInt(),
                                    row.getInt(),
                                    row.getLong(),
                                    row.getLong()));
                }
            }
            rows.status();
        } catch (RocksDBException e) {
            throw new LostException("index cannot be read", e);
        }
    }

    /** Takes over changes, and returns when they are durable. */
    void checkpoint(Changes changes, Coverage coverage) throws LostException {
        try (WriteBatch batch = new WriteBatch();
                FlushOptions flush = new FlushOptions().setWaitForFlush(true)) {
            for (StoreKey key : changes.deleted()) {
                batch.delete(bytes(key));
                writeIfLong(batch);
            }
            for (Row row : changes.rows()) {
                batch.put(bytes(row.key()), bytes(row));
                writeIfLong(batch);
            }
            // Last: what is covered must not be said before it is there.
            batch.put(COVERED, bytes(coverage.lastSegment(), coverage));
            database.write(unlogged, batch);
            database.flush(flush);
        } catch (RocksDBException e) {
            throw new LostException("index cannot be written", e);
        }
    }

    @Override
    public void close() {
        for (int i = resources.size() - 1; i >= 0; i--) {
            try {
                resources.get(i).close();
            } catch (Exception e) {
                throw new AssertionError("closing RocksDB failed", e);
            }
        }
        resources.clear();
    }

    private void writeIfLong(WriteBatch batch) throws RocksDBException {
        if (batch.count() >= BATCH_ROWS) {
            database.write(unlogged, batch);
            batch.clear();
        }
    }

    private static byte[] bytes(StoreKey key) {
        ByteBuffer bytes = ByteBuffer.allocate(StoreKey.BYTES);
        key.write(bytes);
        return bytes.array();
    }

    private static byte[] bytes(Row row) {
        return ByteBuffer.allocate(ROW_BYTES)
                .putInt(row.segment())
                .putInt(row.offset())
                .putInt(row.recordBytes())
                .putLong(row.generation())
                .putLong(row.tick())
                .array();
    }

    private static byte[] bytes(int lastSegment, Coverage coverage) {
        Collection<Integer> segments = coverage.segments();
        ByteBuffer bytes =
                ByteBuffer.allocate(Integer.BYTES * (1 + segments.size()) + Long.BYTES)
                        .putInt(lastSegment)
                        .putLong(coverage.generation());
        segments.forEach(bytes::putInt);
        return bytes.array();
    }

    private <T extends AutoCloseable> T own(T resource) {
        resources.add(resource);
        return resource;
    }
}
