package io.kvtier.storage;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class TieredChunkStoreTest extends ChunkStoreContract {
    @Override
    protected ChunkStore create(BlobPool pool, Path folder) {
        NanoClock clock = NanoClock.system();
        Retention retention = TestChunks.retention(clock);
        return new TieredChunkStore(
                new HotTier(pool, HotTierOptions.ofBytesMax(BYTES_MAX / 4), clock),
                new RocksChunkStore(
                        pool,
                        RocksStoreOptions.of(folder, BYTES_MAX),
                        clock,
                        InstantSource.system(),
                        retention),
                retention);
    }

    @Override
    protected Durability durability() {
        return Durability.DISK;
    }

    @Test
    void put_memoryOverBudget_isCutAndStillFound() {
        ChunkMeta meta = TestChunks.cuttable(1, 4096, 20_000);
        try (Tiers tiers = new Tiers(60_000)) {
            for (int i = 0; i < 4; i++) {
                assertThat(tiers.put(key(i), meta, Durability.MEMORY)).isNotNull();
            }
            assertThat(tiers.tiered.find(key(0)).orElseThrow().quality()).isEqualTo(1);
            assertThat(tiers.put(key(0), meta, Durability.MEMORY))
                    .isInstanceOf(PutOutcome.Replaced.class);
            assertThat(tiers.tiered.find(key(0)).orElseThrow().quality()).isEqualTo(2);
        }
    }

    @Test
    void put_diskOverBudget_isNeverFoundInFewerPartsThanTheDiskHolds() {
        ChunkMeta meta = TestChunks.cuttable(1, 4096, 20_000);
        try (Tiers tiers = new Tiers(60_000)) {
            assertThat(tiers.put(key(0), meta, Durability.MEMORY)).isNotNull();
            assertThat(tiers.put(key(0), meta, Durability.DISK))
                    .isInstanceOf(PutOutcome.AlreadyPresent.class);
            for (int i = 1; i < 8; i++) {
                assertThat(tiers.put(key(i), meta, Durability.DISK)).isNotNull();
            }
            for (int i = 0; i < 8; i++) {
                assertThat(tiers.tiered.find(key(i)).orElseThrow().quality()).isEqualTo(2);
                try (StoredChunk chunk = tiers.tiered.open(key(i)).orElseThrow()) {
                    TestChunks.assertSound(meta, chunk.blob());
                }
            }
            assertThat(tiers.hot.stats().shrunk()).isZero();
        }
    }

    /** A hot tier over a cold one that the test can look into. */
    private final class Tiers implements AutoCloseable {
        final HotTier hot;
        final FakeDiskStore cold = new FakeDiskStore(pool);
        final TieredChunkStore tiered;

        Tiers(long hotBytesMax) {
            hot = new HotTier(pool, HotTierOptions.ofBytesMax(hotBytesMax), NanoClock.system());
            tiered = new TieredChunkStore(hot, cold, TestChunks.retention(NanoClock.system()));
        }

        PutOutcome put(StoreKey key, ChunkMeta meta, Durability durability) {
            return TestChunks.put(tiered, pool, key, meta, durability);
        }

        @Override
        public void close() {
            tiered.close();
        }
    }

    @Test
    void reopen_keepsWhatWasPutToDisk() {
        for (int i = 0; i < FITTING; i++) {
            assertThat(put(key(i), meta(i, 1))).isInstanceOf(PutOutcome.Stored.class);
        }
        store.close();
        store = create(pool, folder);
        for (int i = 0; i < FITTING; i++) {
            assertThat(get(store, key(i))).contains(meta(i, 1));
        }
    }

    @Test
    void put_memory_doesNotTouchTheDisk() {
        try (Tiers tiers = new Tiers(BYTES_MAX)) {
            assertThat(tiers.put(key(1), meta(1, 1), Durability.MEMORY))
                    .isInstanceOf(PutOutcome.Stored.class);

            assertThat(tiers.cold.puts).hasValue(0);
            assertThat(get(tiers.tiered, key(1))).contains(meta(1, 1));
        }
    }

    @Test
    void put_memoryLargerThanTheHotTier_goesToTheColdOne() {
        try (Tiers tiers = new Tiers(10_000)) {
            assertThat(tiers.put(key(1), meta(1, 1), Durability.MEMORY))
                    .isInstanceOf(PutOutcome.Stored.class);
            assertThat(get(tiers.tiered, key(1))).contains(meta(1, 1));
            assertThat(tiers.hot.stats().entries()).isZero();
        }
    }

    @Test
    void put_diskOfWhatIsHeldInMemory_writesTheBetterOne() {
        try (Tiers tiers = new Tiers(BYTES_MAX)) {
            assertThat(tiers.put(key(1), meta(1, 3), Durability.MEMORY))
                    .isInstanceOf(PutOutcome.Stored.class);

            assertThat(tiers.put(key(1), meta(1, 2), Durability.DISK))
                    .isEqualTo(new PutOutcome.AlreadyPresent(meta(1, 3)));

            assertThat(tiers.cold.find(key(1))).contains(meta(1, 3));
        }
    }

    @Test
    void put_betterThanTheHotTierCanHold_hidesTheOldOne() {
        try (Tiers tiers = new Tiers(10_000)) {
            assertThat(tiers.put(key(1), meta(1, 1, 5_000), Durability.DISK))
                    .isInstanceOf(PutOutcome.Stored.class);
            assertThat(tiers.put(key(1), meta(1, 2), Durability.DISK))
                    .isInstanceOf(PutOutcome.Replaced.class);
            assertThat(get(tiers.tiered, key(1))).contains(meta(1, 2));
        }
    }

    @Test
    void open_cold_isPromotedAndReadOnce() {
        try (Tiers tiers = new Tiers(BYTES_MAX)) {
            assertThat(TestChunks.put(tiers.cold, pool, key(1), meta(1, 1), Durability.DISK))
                    .isInstanceOf(PutOutcome.Stored.class);

            assertThat(get(tiers.tiered, key(1))).contains(meta(1, 1));
            assertThat(get(tiers.tiered, key(1))).contains(meta(1, 1));

            assertThat(tiers.cold.opens).hasValue(1);
            assertThat(tiers.hot.find(key(1))).contains(meta(1, 1));
        }
    }

    @Test
    void open_coldByManyAtOnce_isReadOnce() throws Exception {
        int readers = 8;
        CountDownLatch started = new CountDownLatch(readers);
        try (Tiers tiers = new Tiers(BYTES_MAX);
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            assertThat(TestChunks.put(tiers.cold, pool, key(1), meta(1, 1), Durability.DISK))
                    .isInstanceOf(PutOutcome.Stored.class);
            tiers.cold.duringRead = key -> await(started);
            List<Future<Optional<ChunkMeta>>> results = new ArrayList<>();
            for (int i = 0; i < readers; i++) {
                results.add(
                        threads.submit(
                                () -> {
                                    started.countDown();
                                    return get(tiers.tiered, key(1));
                                }));
            }
            for (Future<Optional<ChunkMeta>> result : results) {
                assertThat(result.get()).contains(meta(1, 1));
            }
            assertThat(tiers.cold.opens).hasValue(1);
        }
    }

    @Test
    void remove_duringAColdRead_isNotUndoneByItsPromotion() {
        try (Tiers tiers = new Tiers(BYTES_MAX)) {
            assertThat(TestChunks.put(tiers.cold, pool, key(1), meta(1, 1), Durability.DISK))
                    .isInstanceOf(PutOutcome.Stored.class);
            tiers.cold.duringRead = key -> assertThat(tiers.tiered.remove(key)).isTrue();

            assertThat(get(tiers.tiered, key(1))).as("began before the remove").isPresent();

            assertThat(tiers.tiered.find(key(1))).isEmpty();
            assertThat(get(tiers.tiered, key(1))).isEmpty();
        }
    }

    @Test
    void put_duringAColdRead_isNotHiddenByItsPromotion() {
        try (Tiers tiers = new Tiers(BYTES_MAX)) {
            assertThat(TestChunks.put(tiers.cold, pool, key(1), meta(1, 1), Durability.DISK))
                    .isInstanceOf(PutOutcome.Stored.class);
            tiers.cold.duringRead =
                    key ->
                            assertThat(tiers.put(key, meta(1, 2), Durability.DISK))
                                    .isInstanceOf(PutOutcome.Replaced.class);

            assertThat(get(tiers.tiered, key(1))).contains(meta(1, 1));

            assertThat(get(tiers.tiered, key(1))).contains(meta(1, 2));
        }
    }

    @Test
    void open_coldReadFails_failsAllWhoWaitAndNobodyLater() {
        try (Tiers tiers = new Tiers(BYTES_MAX)) {
            assertThat(TestChunks.put(tiers.cold, pool, key(1), meta(1, 1), Durability.DISK))
                    .isInstanceOf(PutOutcome.Stored.class);
            tiers.cold.duringRead =
                    key -> {
                        tiers.cold.duringRead = later -> {};
                        throw new UnavailableException("disk on fire");
                    };
            assertThatThrownBy(() -> get(tiers.tiered, key(1)))
                    .isInstanceOf(UnavailableException.class)
                    .hasMessage("disk on fire");

            assertThat(get(tiers.tiered, key(1))).contains(meta(1, 1));
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
