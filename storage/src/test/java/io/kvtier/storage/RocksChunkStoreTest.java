package io.kvtier.storage;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.storage.TestChunks.ManualClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class RocksChunkStoreTest extends DiskStoreContract {
    private final ManualClock clock = new ManualClock();
    private final Retention retention = TestChunks.retention(clock);
    private long usableBytes = Long.MAX_VALUE / 2;

    @Override
    protected ChunkStore create(BlobPool pool, Path folder) {
        return open(pool, folder, BYTES_MAX);
    }

    private RocksChunkStore open(BlobPool pool, Path folder, long bytesMax) {
        RocksStoreOptions options = RocksStoreOptions.of(folder, bytesMax);
        StoreFolder files =
                new StoreFolder(
                        folder,
                        RocksChunkStore.LAYOUT,
                        InstantSource.system(),
                        options.quarantineBytesMax());
        return new RocksChunkStore(pool, options, clock, files, () -> usableBytes, retention);
    }

    /** What a killed process leaves is a copy of its files taken while it runs. */
    @Test
    void reopen_filesOfAKilledProcess_holdsWhatWasAcknowledged() throws IOException {
        fill();
        Path copy = folder.resolve("killed");
        copyTree(folder.resolve("db"), copy.resolve("db"));

        try (RocksChunkStore killed = open(pool, copy, BYTES_MAX)) {
            for (int i = 0; i < FITTING; i++) {
                assertThat(get(killed, key(i))).contains(meta(i, 1));
            }
        }
    }

    @Test
    void reopen_tornLog_losesOnlyTheEnd() throws IOException {
        fill();
        Path copy = folder.resolve("torn");
        copyTree(folder.resolve("db"), copy.resolve("db"));
        Path wal = largest(copy.resolve("db"), ".log");
        try (FileChannel channel = FileChannel.open(wal, StandardOpenOption.WRITE)) {
            channel.truncate(channel.size() - 30_000);
            channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4, 5}), channel.size());
        }

        try (RocksChunkStore torn = open(pool, copy, BYTES_MAX)) {
            for (int i = 0; i < FITTING - 2; i++) {
                assertThat(get(torn, key(i))).contains(meta(i, 1));
            }
            assertThat(get(torn, key(FITTING - 1))).isEmpty();
        }
    }

    @Test
    void open_bitFlippedOnDisk_isMissAndQuarantined() throws IOException {
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(PutOutcome.Stored.class);
        assertThat(put(key(2), meta(2, 1))).isInstanceOf(PutOutcome.Stored.class);
        store.close();
        flipInValue(meta(1, 1));
        store = create(pool, folder);

        assertThat(store.find(key(1))).as("the index does not read values").isPresent();
        assertThat(get(store, key(1))).isEmpty();
        assertThat(store.find(key(1))).isEmpty();
        assertThat(get(store, key(2))).contains(meta(2, 1));
        assertThat(store.stats().quarantined()).isEqualTo(1);
        assertThat(folder.resolve("quarantine")).isNotEmptyDirectory();

        assertThat(put(key(1), meta(1, 1))).isInstanceOf(PutOutcome.Stored.class);
        assertThat(get(store, key(1))).contains(meta(1, 1));
        reopen();
        assertThat(get(store, key(1))).contains(meta(1, 1));
    }

    @Test
    void check_bitFlippedOnDisk_namesTheChunk() throws IOException {
        for (int i = 1; i <= 3; i++) {
            assertThat(put(key(i), meta(i, 1))).isInstanceOf(PutOutcome.Stored.class);
        }
        store.close();
        StoreReport before = RocksCheck.run(folder);
        assertThat(before.isSound()).isTrue();
        assertThat(before.values()).isEqualTo(3);

        flipInValue(meta(1, 1));

        StoreReport after = RocksCheck.run(folder);
        assertThat(after.values()).isEqualTo(2);
        assertThat(after.damaged()).isEqualTo(1);
        assertThat(after.findings().getFirst().key()).isEqualTo(StoreReport.hex(key(1)));
        store = create(pool, folder);
    }

    @Test
    void open_blobFilesGone_areMisses() throws IOException {
        for (int i = 0; i < 4; i++) {
            assertThat(put(key(i), meta(i, 1))).isInstanceOf(PutOutcome.Stored.class);
        }
        store.close();
        Path blobs = largest(folder.resolve("db"), ".blob");
        try (FileChannel channel = FileChannel.open(blobs, StandardOpenOption.WRITE)) {
            channel.truncate(channel.size() / 2);
        }
        store = create(pool, folder);

        long hits = 0;
        for (int i = 0; i < 4; i++) {
            hits += get(store, key(i)).isPresent() ? 1 : 0;
        }
        assertThat(hits).isLessThan(4);
        assertThat(put(key(9), meta(9, 1))).isInstanceOf(PutOutcome.Stored.class);
        assertThat(get(store, key(9))).isPresent();
    }

    @Test
    void open_brokenDatabase_isSetAsideAndStartsEmpty() throws IOException {
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(PutOutcome.Stored.class);
        store.close();
        Path manifest = largest(folder.resolve("db"), "MANIFEST");
        Files.write(manifest, new byte[100]);

        store = create(pool, folder);

        assertThat(store.find(key(1))).isEmpty();
        assertThat(store.stats().quarantined()).isEqualTo(1);
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(PutOutcome.Stored.class);
        assertThat(get(store, key(1))).contains(meta(1, 1));
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .anyMatch(name -> name.matches("quarantine-\\d{8}T\\d{6}\\.\\d{3}Z"));
        }
    }

    @Test
    void open_folderInUse_isUnavailableAndTouchesNothing() {
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(PutOutcome.Stored.class);

        assertThatThrownBy(() -> open(pool, folder, BYTES_MAX))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContaining("in use");

        assertThat(get(store, key(1))).contains(meta(1, 1));
    }

    @Test
    void open_folderThatCannotBe_saysSo() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "");

        assertThatThrownBy(() -> open(pool, file.resolve("store"), BYTES_MAX))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContaining(file.resolve("store").toString())
                .hasMessageContaining("may write");
    }

    @Test
    void open_folderOfALaterVersion_isRefusedUntouched() throws IOException {
        store.close();
        Files.writeString(folder.resolve("STORE"), "kvtier-store rocks 2\n");

        assertThatThrownBy(() -> open(pool, folder, BYTES_MAX))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContaining("kvtier-store rocks 2");
    }

    @Test
    void put_diskFull_isOverloadedWhileReadsGoOnAndHealsItself() {
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(PutOutcome.Stored.class);
        usableBytes = 1000;

        assertThatThrownBy(() -> put(key(2), meta(2, 1)))
                .isInstanceOf(OverloadedException.class)
                .hasMessageContaining("freeBytesMin")
                .satisfies(
                        e ->
                                assertThat(((OverloadedException) e).retryAfter())
                                        .isEqualTo(Duration.ofSeconds(1)));
        assertThat(store.find(key(2))).isEmpty();
        assertThat(get(store, key(1))).contains(meta(1, 1));
        assertThat(store.stats().refused()).isEqualTo(1);

        usableBytes = Long.MAX_VALUE / 2;
        assertThat(put(key(2), meta(2, 1))).isInstanceOf(PutOutcome.Stored.class);
    }

    /** Moved away, the folder takes no new files, as a broken disk would; moved back it heals. */
    @Test
    void put_writeFails_isRefusedForAWhileThenReopensWithAllThatWasAcknowledged() throws Exception {
        store.close();
        Duration retryAfter = Duration.ofSeconds(5);
        store = openWithSmallFiles(retryAfter);
        List<Integer> acknowledged = new ArrayList<>();
        assertThat(put(key(0), meta(0, 1))).isInstanceOf(PutOutcome.Stored.class);
        acknowledged.add(0);
        Path away = folder.resolve("away");
        Files.move(folder.resolve("db"), away);

        Throwable failure = null;
        for (int i = 1; i < 200 && failure == null; i++) {
            failure = putOrFail(i, acknowledged);
        }

        assertThat(failure)
                .isInstanceOf(UnavailableException.class)
                .hasMessageContaining("check the disk");
        clock.advance(retryAfter.minusNanos(1));
        assertThatThrownBy(() -> put(key(300), meta(300, 1)))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContaining("refuses puts after a failed write");
        assertThat(get(store, key(0))).as("reads go on").contains(meta(0, 1));
        assertThat(store.stats().refused()).isEqualTo(2);

        Files.move(away, folder.resolve("db"));
        clock.advance(Duration.ofNanos(1));
        assertThat(put(key(300), meta(300, 1))).isInstanceOf(PutOutcome.Stored.class);
        acknowledged.add(300);
        for (int i : acknowledged) {
            assertThat(get(store, key(i))).as("key %d", i).contains(meta(i, 1));
        }
        assertThat(store.stats().quarantined()).isZero();
        reopen();
        for (int i : acknowledged) {
            assertThat(get(store, key(i))).as("key %d", i).contains(meta(i, 1));
        }
    }

    /** The failure of a put; null and a new entry of the list when it is acknowledged. */
    private @Nullable Throwable putOrFail(int i, List<Integer> acknowledged) {
        try {
            assertThat(put(key(i), meta(i, 1))).isInstanceOf(PutOutcome.Stored.class);
            acknowledged.add(i);
            return null;
        } catch (StorageException e) {
            return e;
        }
    }

    /** A store that begins a new log file every few values. */
    private RocksChunkStore openWithSmallFiles(Duration retryAfter) {
        RocksStoreOptions usual = RocksStoreOptions.of(folder, 64L << 20);
        RocksStoreOptions options =
                new RocksStoreOptions(
                        folder,
                        usual.bytesMax(),
                        usual.entriesMax(),
                        usual.freeBytesMin(),
                        64 << 10,
                        usual.openFilesMax(),
                        usual.quarantineBytesMax(),
                        retryAfter);
        StoreFolder files =
                new StoreFolder(
                        folder,
                        RocksChunkStore.LAYOUT,
                        InstantSource.system(),
                        options.quarantineBytesMax());
        return new RocksChunkStore(pool, options, clock, files, () -> usableBytes, retention);
    }

    @Test
    void open_noMemory_isOverloadedAndLosesNothing() {
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(PutOutcome.Stored.class);
        try (WritableBlob all = pool.allocate(pool.options().bytesMax() - (1L << 20))) {
            assertThat(all.bytes()).isPositive();
            try (WritableBlob rest = pool.allocate(1L << 20)) {
                assertThat(rest.bytes()).isPositive();
                assertThatThrownBy(() -> store.open(key(1)))
                        .isInstanceOf(OverloadedException.class)
                        .hasMessageContaining("bytesMax");
            }
        }
        assertThat(get(store, key(1))).contains(meta(1, 1));
    }

    @Test
    void put_diskAfterMemory_makesTheHeldValueDurable() throws IOException {
        ChunkMeta meta = meta(1, 1);
        assertThat(TestChunks.put(store, pool, key(1), meta, Durability.MEMORY))
                .isInstanceOf(PutOutcome.Stored.class);
        assertThat(TestChunks.put(store, pool, key(1), meta, Durability.DISK))
                .isInstanceOf(PutOutcome.AlreadyPresent.class);
        Path copy = folder.resolve("killed");
        copyTree(folder.resolve("db"), copy.resolve("db"));

        try (RocksChunkStore killed = open(pool, copy, BYTES_MAX)) {
            assertThat(get(killed, key(1))).contains(meta);
        }
    }

    /** Finds the value in the files of a closed store and flips one of its bits. */
    private void flipInValue(ChunkMeta meta) throws IOException {
        byte[] needle = new byte[32];
        try (Blob value = TestChunks.value(pool, meta)) {
            value.segment().asByteBuffer().get(5_000, needle);
        }
        for (Path file : files(folder.resolve("db"))) {
            byte[] bytes = Files.readAllBytes(file);
            int at = indexOf(bytes, needle);
            if (at >= 0) {
                bytes[at] ^= 0x10;
                Files.write(file, bytes);
                return;
            }
        }
        throw new AssertionError("value not found in any file of " + folder);
    }

    private static int indexOf(byte[] bytes, byte[] needle) {
        for (int i = 0; i + needle.length <= bytes.length; i++) {
            if (Arrays.equals(bytes, i, i + needle.length, needle, 0, needle.length)) {
                return i;
            }
        }
        return -1;
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }

    private static Path largest(Path folder, String part) throws IOException {
        Path largest = null;
        for (Path file : files(folder)) {
            if (file.getFileName().toString().contains(part)
                    && (largest == null || Files.size(file) > Files.size(largest))) {
                largest = file;
            }
        }
        return Objects.requireNonNull(largest, "no " + part + " file in " + folder);
    }

    private static void copyTree(Path source, Path target) throws IOException {
        Files.createDirectories(target);
        for (Path file : files(source)) {
            if (!file.getFileName().toString().equals("LOCK")) {
                Files.copy(file, target.resolve(file.getFileName()));
            }
        }
    }
}
