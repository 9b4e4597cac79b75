package io.kvtier.storage;

import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.storage.TestChunks.ManualClock;
import io.kvtier.storage.log.LogChunkStore;
import io.kvtier.storage.log.LogStoreOptions;
import io.kvtier.storage.log.LogSurroundings;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LossLogTest {
    private static final long COLD_BYTES = 2L << 20;

    private final ManualClock clock = new ManualClock();
    private final Retention retention = TestChunks.retention(clock);
    private final BlobPool pool = TestChunks.pool(16L << 20);

    @TempDir Path folder;

    @AfterEach
    void nothingIsLeft() {
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    private TieredChunkStore tiered(ChunkStore cold) {
        HotTier hot =
                new HotTier(pool, HotTierOptions.ofBytesMax(100_000), clock, retention.losses());
        return new TieredChunkStore(hot, cold, retention);
    }

    private ChunkStore log() {
        return new LogChunkStore(
                pool,
                LogStoreOptions.of(folder, COLD_BYTES),
                new LogSurroundings(
                        clock,
                        InstantSource.system(),
                        new SplittableRandom(1),
                        Runnable::run,
                        retention));
    }

    private ChunkStore blobFiles() {
        RocksStoreOptions options = RocksStoreOptions.of(folder, COLD_BYTES);
        return new RocksChunkStore(pool, options, clock, InstantSource.system(), retention);
    }

    @Test
    void find_moreKeysThanEntries_forgetsTheOldest() {
        LossLog two = new LossLog(2, clock);
        two.add(key(1), LossCause.EXPIRED);
        two.add(key(2), LossCause.EXPIRED);
        two.add(key(1), LossCause.REMOVED);
        clock.advance(Duration.ofSeconds(3));

        assertThat(two.find(key(1))).contains(new Loss(LossCause.REMOVED, Duration.ofSeconds(3)));
        two.add(key(3), LossCause.DAMAGED);
        assertThat(two.find(key(2))).isEmpty();
        assertThat(two.find(key(1))).isPresent();
        assertThat(two.counts())
                .containsEntry(LossCause.EXPIRED, 2L)
                .containsEntry(LossCause.REMOVED, 1L)
                .containsEntry(LossCause.DAMAGED, 1L)
                .containsEntry(LossCause.EVICTED_FROM_DISK, 0L);
    }

    @Test
    void lossOf_evictedFromMemory_saysSo() {
        try (TieredChunkStore store = tiered(log())) {
            for (int i = 0; i < 10; i++) {
                assertThat(TestChunks.put(store, pool, key(i), meta(i, 1), Durability.MEMORY))
                        .isInstanceOf(PutOutcome.Stored.class);
            }
            assertThat(store.find(key(0))).isEmpty();
            assertThat(store.lossOf(key(0)).orElseThrow().cause())
                    .isEqualTo(LossCause.EVICTED_FROM_MEMORY);
            assertThat(store.lossOf(key(99))).isEmpty();
        }
    }

    @Test
    void lossOf_evictedFromTheLog_saysSo() {
        evictFromDisk(log());
    }

    @Test
    void lossOf_evictedFromBlobFiles_saysSo() {
        evictFromDisk(blobFiles());
    }

    private void evictFromDisk(ChunkStore cold) {
        try (TieredChunkStore store = tiered(cold)) {
            for (int i = 0; i < 200; i++) {
                assertThat(TestChunks.put(store, pool, key(i), meta(i, 1), Durability.DISK))
                        .isInstanceOf(PutOutcome.Stored.class);
            }
            assertThat(store.find(key(0))).isEmpty();
            assertThat(store.lossOf(key(0)).orElseThrow().cause())
                    .isEqualTo(LossCause.EVICTED_FROM_DISK);
        }
    }

    @Test
    void lossOf_removed_saysSo() {
        try (TieredChunkStore store = tiered(log())) {
            assertThat(TestChunks.put(store, pool, key(1), meta(1, 1), Durability.DISK))
                    .isInstanceOf(PutOutcome.Stored.class);
            assertThat(store.remove(key(1))).isTrue();
            assertThat(store.lossOf(key(1)).orElseThrow().cause()).isEqualTo(LossCause.REMOVED);
            assertThat(store.remove(key(2))).isFalse();
            assertThat(store.lossOf(key(2))).isEmpty();
        }
    }
}
