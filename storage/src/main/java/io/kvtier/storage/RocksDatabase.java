package io.kvtier.storage;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.Cache;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.CompressionType;
import org.rocksdb.DBOptions;
import org.rocksdb.FlushOptions;
import org.rocksdb.InfoLogLevel;
import org.rocksdb.LRUCache;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Status;
import org.rocksdb.WALRecoveryMode;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * The RocksDB of a store: a meta column by key, and a value column in blob files.
 *
 * <p>The only class that touches {@code org.rocksdb}; it translates that library's errors into
 * ours. Decides nothing: which values live is its caller's business.
 *
 * <p>Thread-safety: all methods but {@link #close}, which the caller runs alone and last.
 */
final class RocksDatabase implements AutoCloseable {
    /** What {@link #read} answers when there is no such value. */
    static final long ABSENT = -1;

    private static final int VALUE_NAME_BYTES = StoreKey.BYTES + Long.BYTES;
    private static final long BLOCK_CACHE_BYTES = 8L << 20;
    private static final long BLOB_FILE_BYTES = 256L << 20;
    private static final long BLOB_BYTES_MIN = 4096;

    /** The database cannot be opened or read as a whole: it has to be set aside. */
    static final class UnreadableException extends Exception {
        private static final long serialVersionUID = 1L;

        UnreadableException(String message, RocksDBException cause) {
            super(message, cause);
        }
    }

    /** Takes what {@link #scan} finds. */
    interface RecordVisitor {
        void accept(StoreKey key, byte[] metaRecord);
    }

    private final List<AutoCloseable> resources = new ArrayList<>();
    private final RocksStoreOptions options;
    private final ReadOptions valueReads;
    private final ReadOptions metaReads;
    private final WriteOptions synced;
    private final WriteOptions unsynced;
    private final RocksDB database;
    private final ColumnFamilyHandle metas;
    private final ColumnFamilyHandle values;

    /**
     * Opens or makes a database, and recovers what was synced.
     *
     * @throws UnreadableException if its files are not a sound database
     * @throws UnavailableException if another process has it, or the system refuses for now
     * @throws OverloadedException if the disk is full
     */
    RocksDatabase(Path folder, RocksStoreOptions options) throws UnreadableException {
        this(folder, options, false);
    }

    /** The same, or opened to be read alone: then nothing on the disk changes, nor is it locked. */
    RocksDatabase(Path folder, RocksStoreOptions options, boolean readOnly)
            throws UnreadableException {
        RocksDB.loadLibrary();
        this.options = options;
        // Values carry a CRC32C of ours that covers their name, too; RocksDB's own check of them
        // runs in software and would cost most of a cached read.
        valueReads = own(new ReadOptions()).setVerifyChecksums(false).setFillCache(true);
        metaReads = own(new ReadOptions());
        synced = own(new WriteOptions()).setSync(true);
        unsynced = own(new WriteOptions());
        Cache cache = own(new LRUCache(BLOCK_CACHE_BYTES));
        List<ColumnFamilyDescriptor> columns =
                List.of(
                        new ColumnFamilyDescriptor(
                                RocksDB.DEFAULT_COLUMN_FAMILY, column(cache, 64 << 10)),
                        new ColumnFamilyDescriptor(
                                "meta".getBytes(UTF_8), column(cache, metaMemtableBytes(options))),
                        new ColumnFamilyDescriptor(
                                "value".getBytes(UTF_8), valueColumn(cache, options)));
        List<ColumnFamilyHandle> handles = new ArrayList<>();
        try {
            String path = folder.toString();
            DBOptions how = databaseOptions(options);
            database =
                    own(
                            readOnly
                                    ? RocksDB.openReadOnly(how, path, columns, handles)
                                    : RocksDB.open(how, path, columns, handles));
        } catch (RocksDBException e) {
            close();
            throw unreadable("open", folder.toString(), e);
        }
        resources.addAll(handles);
        metas = handles.get(1);
        values = handles.get(2);
    }

    /**
     * Writes a value and its record as one, and drops the value that it replaces.
     *
     * @param replacedGeneration of the value to drop, or 0 for none
     * @param sync whether to return only once it would survive a loss of power
     */
    void put(
            StoreKey key,
            MetaRecord record,
            MemorySegment value,
            long replacedGeneration,
            boolean sync) {
        try (Arena arena = Arena.ofConfined();
                WriteBatch batch = new WriteBatch()) {
            if (replacedGeneration != 0) {
                batch.delete(values, valueName(arena, key, replacedGeneration));
            }
            batch.put(values, valueName(arena, key, record.generation()), value.asByteBuffer());
            batch.put(metas, keyBytes(key), record.encode(key));
            database.write(sync ? synced : unsynced, batch);
        } catch (RocksDBException e) {
            throw failure("put", e);
        }
    }

    /** Drops a value and its record. */
    void delete(StoreKey key, long generation, boolean sync) {
        try (Arena arena = Arena.ofConfined();
                WriteBatch batch = new WriteBatch()) {
            batch.delete(metas, keyBytes(key));
            batch.delete(values, valueName(arena, key, generation));
            database.write(sync ? synced : unsynced, batch);
        } catch (RocksDBException e) {
            throw failure("delete", e);
        }
    }

    /**
     * Reads a value, unchecked.
     *
     * @return its length, which may exceed the target, or {@link #ABSENT}
     * @throws CorruptChunkException if RocksDB itself sees that its files are damaged
     */
    long read(StoreKey key, long generation, MemorySegment target) throws CorruptChunkException {
        try (Arena arena = Arena.ofConfined()) {
            int bytes =
                    database.get(
                            values,
                            valueReads,
                            valueName(arena, key, generation),
                            target.asByteBuffer());
            return bytes == RocksDB.NOT_FOUND ? ABSENT : bytes;
        } catch (RocksDBException e) {
            if (isDamage(e)) {
                throw new CorruptChunkException(key, "value", "readable files", describe(e));
            }
            throw failure("get", e);
        }
    }

    /**
     * Reads a value and checks it.
     *
     * @param target of its length
     * @throws CorruptChunkException if it is not what was put
     */
    void read(StoreKey key, MetaRecord record, MemorySegment target) throws CorruptChunkException {
        long bytes = read(key, record.generation(), target);
        if (bytes != target.byteSize()) {
            String actual = bytes == ABSENT ? "absent" : bytes + " bytes";
            throw new CorruptChunkException(key, "value", target.byteSize() + " bytes", actual);
        }
        int actual = MetaRecord.valueCrc(key, record.generation(), target.asByteBuffer());
        if (actual != record.valueCrc()) {
            throw new CorruptChunkException(
                    key,
                    "value",
                    "crc " + Integer.toHexString(record.valueCrc()),
                    "crc " + Integer.toHexString(actual));
        }
    }

    /**
     * Reads all tables and checks RocksDB's own checksums.
     *
     * @throws UnreadableException if one does not match, with the file
     */
    void verifyChecksums() throws UnreadableException {
        try {
            database.verifyChecksum();
        } catch (RocksDBException e) {
            throw unreadable("check", "tables", e);
        }
    }

    /** Makes everything durable that was written so far. */
    void sync() {
        try {
            database.syncWal();
        } catch (RocksDBException e) {
            throw failure("sync", e);
        }
    }

    /**
     * Visits every record of the meta column.
     *
     * @throws UnreadableException if the column cannot be read to its end
     */
    void scan(RecordVisitor visitor) throws UnreadableException {
        try (RocksIterator records = database.newIterator(metas, metaReads)) {
            for (records.seekToFirst(); records.isValid(); records.next()) {
                ByteBuffer key = ByteBuffer.wrap(records.key());
                if (key.remaining() == StoreKey.BYTES) {
                    visitor.accept(StoreKey.read(key), records.value());
                }
            }
            records.status();
        } catch (RocksDBException e) {
            throw unreadable("scan", "meta column", e);
        }
    }

    /** Writes what is buffered into files, so that the next start has nothing to replay. */
    void flush() {
        try (FlushOptions flush = new FlushOptions().setWaitForFlush(true)) {
            database.flush(flush, List.of(metas, values));
        } catch (RocksDBException e) {
            throw failure("flush", e);
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

    private DBOptions databaseOptions(RocksStoreOptions options) {
        return own(new DBOptions())
                .setCreateIfMissing(true)
                .setCreateMissingColumnFamilies(true)
                .setWalRecoveryMode(WALRecoveryMode.PointInTimeRecovery)
                .setMaxOpenFiles(options.openFilesMax())
                .setInfoLogLevel(InfoLogLevel.WARN_LEVEL)
                .setMaxLogFileSize(1L << 20)
                .setKeepLogFileNum(2)
                .setMaxTotalWalSize(4 * options.memtableBytes())
                .setStatsDumpPeriodSec(0);
    }

    private ColumnFamilyOptions column(Cache cache, long memtableBytes) {
        return own(new ColumnFamilyOptions())
                .setCompressionType(CompressionType.NO_COMPRESSION)
                .setWriteBufferSize(memtableBytes)
                .setMaxWriteBufferNumber(2)
                .setTableFormatConfig(new BlockBasedTableConfig().setBlockCache(cache));
    }

    private ColumnFamilyOptions valueColumn(Cache cache, RocksStoreOptions options) {
        return column(cache, options.memtableBytes())
                .setEnableBlobFiles(true)
                .setMinBlobSize(BLOB_BYTES_MIN)
                .setBlobFileSize(BLOB_FILE_BYTES)
                .setBlobCompressionType(CompressionType.NO_COMPRESSION)
                .setEnableBlobGarbageCollection(true)
                .setBlobGarbageCollectionAgeCutoff(0.5)
                .setBlobGarbageCollectionForceThreshold(0.5);
    }

    private static long metaMemtableBytes(RocksStoreOptions options) {
        return Math.min(options.memtableBytes(), 16L << 20);
    }

    private <T extends AutoCloseable> T own(T resource) {
        resources.add(resource);
        return resource;
    }

    private static byte[] keyBytes(StoreKey key) {
        ByteBuffer bytes = ByteBuffer.allocate(StoreKey.BYTES);
        key.write(bytes);
        return bytes.array();
    }

    private static ByteBuffer valueName(Arena arena, StoreKey key, long generation) {
        ByteBuffer name = arena.allocate(VALUE_NAME_BYTES).asByteBuffer();
        MetaRecord.writeValueName(key, generation, name);
        return name.flip();
    }

    private StorageException failure(String operation, RocksDBException e) {
        if (isFull(e)) {
            return new OverloadedException(
                    "disk full at " + operation + ": " + describe(e), options.retryAfter(), e);
        }
        return new UnavailableException(
                "rocksdb " + operation + " failed: " + describe(e) + "; check the disk", e);
    }

    /** Only damage is a reason to set files aside; trouble that may pass is thrown as such. */
    private UnreadableException unreadable(String operation, String what, RocksDBException e) {
        String text = describe(e);
        if (text.contains("LOCK") || text.contains("lock hold")) {
            throw new UnavailableException(
                    what + " is in use by another process or store: " + text, e);
        }
        if (isFull(e) || !isDamage(e)) {
            throw failure(operation, e);
        }
        return new UnreadableException(what + ": " + text, e);
    }

    private static boolean isFull(RocksDBException e) {
        Status status = e.getStatus();
        return status != null
                && (status.getSubCode() == Status.SubCode.NoSpace
                        || describe(e).contains("No space left"));
    }

    private static boolean isDamage(RocksDBException e) {
        Status status = e.getStatus();
        if (status == null) {
            return true;
        }
        // A blob or table file that is gone or too short reads as an IO error, too.
        return switch (status.getCode()) {
            case Corruption, NotFound, InvalidArgument, NotSupported -> true;
            case IOError -> describe(e).contains("No such file");
            default -> false;
        };
    }

    private static String describe(RocksDBException e) {
        Status status = e.getStatus();
        return status == null
                ? String.valueOf(e.getMessage())
                : e.getMessage() + " (" + status.getCode() + ")";
    }
}
