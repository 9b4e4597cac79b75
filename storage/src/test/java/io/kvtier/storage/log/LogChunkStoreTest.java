package io.kvtier.storage.log;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.storage.Blob;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.DiskStoreContract;
import io.kvtier.storage.Durability;
import io.kvtier.storage.OverloadedException;
import io.kvtier.storage.PutOutcome;
import io.kvtier.storage.TestChunks;
import io.kvtier.storage.UnavailableException;
import io.kvtier.storage.WritableBlob;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class LogChunkStoreTest extends DiskStoreContract {
    @Override
    protected ChunkStore create(BlobPool pool, Path folder) {
        return open(pool, folder);
    }

    private static LogChunkStore open(BlobPool pool, Path folder) {
        LogStoreOptions options = LogStoreOptions.of(folder, BYTES_MAX);
        return new LogChunkStore(pool, options, Logs.surroundings());
    }

    private void assertHoldsAll() {
        for (int i = 0; i < FITTING; i++) {
            assertThat(get(store, key(i))).contains(meta(i, 1));
        }
    }

    @Test
    void reopen_afterClose_keepsTheOrderOfUse() {
        fill();
        assertThat(get(store, key(0))).isPresent();

        reopen();

        for (int i = FITTING; store.find(key(1)).isPresent(); i++) {
            assertThat(put(key(i), meta(i, 1))).isInstanceOf(PutOutcome.Stored.class);
        }
        assertThat(store.find(key(0))).as("opened before the restart").isPresent();
    }

    /** What a killed process leaves is a copy of its files taken while it runs. */
    @Test
    void reopen_filesOfAKilledProcess_holdsWhatWasAcknowledged() throws IOException {
        fill();
        assertThat(store.remove(key(3))).isTrue();
        Path copy = folder.resolve("killed");
        Logs.copyTree(folder, copy);

        try (LogChunkStore killed = open(pool, copy)) {
            assertThat(killed.find(key(3))).isEmpty();
            for (int i = 0; i < FITTING; i++) {
                if (i != 3) {
                    assertThat(get(killed, key(i))).contains(meta(i, 1));
                }
            }
        }
    }

    @Test
    void reopen_indexGone_comesBackFromTheLog() throws IOException {
        fill();
        assertThat(put(key(0), meta(0, 2))).isInstanceOf(PutOutcome.Replaced.class);
        assertThat(store.remove(key(1))).isTrue();
        store.close();
        Logs.deleteTree(folder.resolve("index"));

        store = create(pool, folder);

        assertThat(store.stats().entries()).isEqualTo(FITTING - 1);
        assertThat(get(store, key(0))).contains(meta(0, 2));
        assertThat(store.find(key(1))).isEmpty();
        assertThat(get(store, key(2))).contains(meta(2, 1));
        assertThat(store.stats().quarantined()).isZero();
    }

    @Test
    void reopen_indexDamaged_isSetAsideAndComesBackFromTheLog() throws IOException {
        fill();
        store.close();
        for (Path file : Logs.files(folder.resolve("index"))) {
            if (String.valueOf(file.getFileName()).startsWith("MANIFEST")) {
                Files.write(file, new byte[64]);
            }
        }

        store = create(pool, folder);

        assertHoldsAll();
        try (Stream<Path> parts = Files.list(folder)) {
            assertThat(parts.map(Path::getFileName).map(Path::toString))
                    .anyMatch(name -> name.startsWith("quarantine-"));
        }
        reopen();
        assertHoldsAll();
    }

    @Test
    void reopen_anotherLayout_isRefusedUntouched() throws IOException {
        store.close();
        Files.writeString(folder.resolve("STORE"), "kvtier-store rocks 1\n");

        assertThatThrownBy(() -> open(pool, folder))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContaining("kvtier-store rocks 1");
    }

    @Test
    void open_twice_isRefusedAndTouchesNothing() {
        fill();

        assertThatThrownBy(() -> open(pool, folder))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContaining("in use");

        assertHoldsAll();
    }

    @Test
    void open_bitFlippedOnDisk_isMissAndQuarantined() throws IOException {
        fill();
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
        reopen();
        assertHoldsAll();
    }

    /** An interrupt closes the channel that the thread reads from: for everybody, but for us. */
    @Test
    void open_interruptedThread_disturbsNobody() {
        fill();
        Thread.currentThread().interrupt();
        assertHoldsAll();
        assertThat(put(key(99), meta(99, 1))).isInstanceOf(PutOutcome.Stored.class);
        assertThat(Thread.interrupted()).as("still interrupted").isTrue();

        assertHoldsAll();
        assertThat(get(store, key(99))).contains(meta(99, 1));
    }

    @Test
    void open_noMemory_isOverloadedAndLosesNothing() {
        fill();
        try (WritableBlob all = pool.allocate(pool.options().bytesMax() - (1L << 20));
                WritableBlob rest = pool.allocate(1L << 20)) {
            assertThat(all.bytes() + rest.bytes()).isEqualTo(pool.options().bytesMax());
            assertThatThrownBy(() -> store.open(key(1)))
                    .isInstanceOf(OverloadedException.class)
                    .hasMessageContaining("bytesMax");
        }
        assertHoldsAll();
    }

    @Test
    void put_diskAfterMemory_makesTheHeldValueDurable() throws IOException {
        ChunkMeta meta = meta(1, 1);
        assertThat(TestChunks.put(store, pool, key(1), meta, Durability.MEMORY))
                .isInstanceOf(PutOutcome.Stored.class);
        assertThat(TestChunks.put(store, pool, key(1), meta, Durability.DISK))
                .isInstanceOf(PutOutcome.AlreadyPresent.class);
        Path copy = folder.resolve("killed");
        Logs.copyTree(folder, copy);

        try (LogChunkStore killed = open(pool, copy)) {
            assertThat(get(killed, key(1))).contains(meta);
        }
    }

    @Test
    void put_valueThatCannotFit_isRefused() {
        assertThatThrownBy(() -> put(key(1), meta(1, 1, BYTES_MAX)))
                .isInstanceOf(OverloadedException.class)
                .hasMessageContaining("all that fits");
    }

    /** Many times the budget goes through, and the files never exceed it. */
    @Test
    void put_manyTimesTheBudget_staysWithinIt() throws IOException {
        long seed = 5;
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = 0; i < 600; i++) {
            int number = (int) (80 * random.nextDouble() * random.nextDouble());
            ChunkMeta meta = meta(number, 1 + i / 200, 1_000 + 500L * number);
            var _ = put(key(number), meta);
            if (i % 3 == 0) {
                var _ = get(store, key(random.nextInt(80)));
            }
            assertThat(bytesOfLog()).as("seed %d step %d", seed, i).isLessThanOrEqualTo(BYTES_MAX);
        }
        LogTraffic traffic = ((LogChunkStore) store).traffic();
        assertThat(traffic.moved()).as("compaction copied something").isPositive();
        assertThat(store.stats().refused()).isZero();
        assertThat(store.stats().quarantined()).isZero();
        long entries = store.stats().entries();
        reopen();
        assertThat(store.stats().entries()).isEqualTo(entries);
    }

    private long bytesOfLog() throws IOException {
        return Logs.files(folder.resolve("log")).stream().mapToLong(LogChunkStoreTest::size).sum();
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Finds the value in the files of a closed store and flips one of its bits. */
    private void flipInValue(ChunkMeta meta) throws IOException {
        byte[] needle = new byte[32];
        try (Blob value = TestChunks.value(pool, meta)) {
            value.segment().asByteBuffer().get(5_000, needle);
        }
        List<Path> files = Logs.files(folder.resolve("log"));
        assertThat(files.stream().filter(file -> Logs.flip(file, needle))).hasSize(1);
    }
}
