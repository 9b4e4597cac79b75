package io.kvtier.storage;

import io.kvtier.storage.RocksDatabase.UnreadableException;
import io.kvtier.storage.StoreReport.Finding;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;

/**
 * Reads every record and value of a blob-file store that nobody has open, and the checksums of its
 * tables; changes nothing.
 *
 * <p>Where a bad value lies inside the database only RocksDB knows: findings name the database and
 * offset −1.
 */
public final class RocksCheck {
    private RocksCheck() {}

    /**
     * Checks a store.
     *
     * @param folder of the store, with its {@code db}
     * @throws UnavailableException if a process has it open
     */
    public static StoreReport run(Path folder) throws IOException {
        Path path = folder.resolve("db");
        StoreReport.Builder report =
                new StoreReport.Builder(folder.toString(), RocksChunkStore.LAYOUT);
        List<Path> files;
        try (Stream<Path> all = Files.list(path)) {
            files = all.filter(Files::isRegularFile).toList();
        }
        for (Path file : files) {
            report.addFile(Files.size(file));
        }
        requireClosed(path.resolve("LOCK"));
        RocksStoreOptions options = RocksStoreOptions.of(folder, Long.MAX_VALUE);
        try (RocksDatabase database = new RocksDatabase(path, options, true)) {
            database.scan((key, record) -> check(database, path, key, record, report));
            database.verifyChecksums();
        } catch (UnreadableException e) {
            report.add(new Finding(path.toString(), -1, "", false, String.valueOf(e.getMessage())));
        }
        return report.build();
    }

    private static void check(
            RocksDatabase database,
            Path path,
            StoreKey key,
            byte[] bytes,
            StoreReport.Builder report) {
        String what;
        try (Arena arena = Arena.ofConfined()) {
            MetaRecord record = MetaRecord.decode(key, bytes);
            long expected = record.meta().bytes();
            var target = arena.allocate(expected);
            long actual = database.read(key, record.generation(), target);
            if (actual != expected) {
                what = "expected a value of " + expected + " bytes, got " + actual;
            } else {
                int crc = MetaRecord.valueCrc(key, record.generation(), target.asByteBuffer());
                if (crc == record.valueCrc()) {
                    report.addValue(expected);
                    return;
                }
                what =
                        "expected crc "
                                + Integer.toHexString(record.valueCrc())
                                + ", got "
                                + Integer.toHexString(crc);
            }
        } catch (CorruptChunkException e) {
            what = String.valueOf(e.getMessage());
        }
        report.add(new Finding(path.toString(), -1, StoreReport.hex(key), true, what));
    }

    private static void requireClosed(Path lock) throws IOException {
        if (!Files.exists(lock)) {
            return;
        }
        try (FileChannel channel = FileChannel.open(lock, StandardOpenOption.WRITE);
                FileLock held = channel.tryLock()) {
            if (held != null) {
                return;
            }
        } catch (OverlappingFileLockException e) {
            // held by this process
        }
        throw new UnavailableException(lock + " is in use by another process or store");
    }
}
