package io.kvtier.storage;

import static io.kvtier.storage.TestChunks.get;
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
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a lookup finds on disk alone is there when the stream comes, in either layout. */
class DiskTicketTest {
    private static final long COLD_BYTES = 2L << 20;

    private final ManualClock clock = new ManualClock();
    private final BlobPool pool = TestChunks.pool(16L << 20);
    private final Retention retention = TestChunks.retention(clock);
    private int next = 1000;

    @TempDir Path folder;

    @AfterEach
    void nothingIsLeft() {
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    private TicketedChunkStore open(String layout, TicketOptions options) {
        HotTier hot = new HotTier(pool, HotTierOptions.ofBytesMax(60_000), clock);
        ChunkStore cold =
                layout.equals("log")
                        ? new LogChunkStore(
                                pool,
                                LogStoreOptions.of(folder, COLD_BYTES),
                                new LogSurroundings(
                                        clock,
                                        InstantSource.system(),
                                        new SplittableRandom(1),
                                        Runnable::run,
                                        retention))
                        : new RocksChunkStore(
                                pool,
                                RocksStoreOptions.of(folder, COLD_BYTES),
                                clock,
                                InstantSource.system(),
                                retention);
        TieredChunkStore tiered = new TieredChunkStore(hot, cold, retention);
        return new TicketedChunkStore(tiered, pool, options, clock);
    }

    private void put(ChunkStore store, int number) {
        var _ = TestChunks.put(store, pool, key(number), meta(number, 1), Durability.DISK);
    }

    /** More than both tiers hold, all of it new. */
    private void flood(ChunkStore store) {
        for (int i = 0; i < 250; i++) {
            put(store, next++);
        }
    }

    /** Puts two chunks and drives them out of memory. */
    private void putOnDiskAlone(TicketedChunkStore store) {
        put(store, 1);
        put(store, 2);
        for (int i = 0; i < 10; i++) {
            put(store, next++);
        }
        assertThat(store.hold(key(1))).isEmpty();
        assertThat(store.hold(key(2))).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"log", "blob"})
    void protect_onDiskAlone_isNotEvictedUntilTheTicketEnds(String layout) {
        try (TicketedChunkStore store = open(layout, TicketOptions.ofBytesMax(1L << 20))) {
            putOnDiskAlone(store);
            store.protect("client", List.of(key(1), key(2), key(3)));
            assertThat(store.tickets()).isEqualTo(2);
            assertThat(store.ticketBytes()).isEqualTo(2L * TestChunks.BYTES);
            flood(store);
            assertThat(get(store, key(1))).contains(meta(1, 1));
            assertThat(store.tickets()).as("one was opened").isEqualTo(1);
            clock.advance(Duration.ofSeconds(6));
            store.sweep();
            assertThat(store.tickets()).isZero();
            assertThat(store.ticketBytes()).isZero();
            flood(store);
            assertThat(store.find(key(1))).isEmpty();
            assertThat(store.find(key(2))).isEmpty();
        }
    }

    @Test
    void protect_overTheLimit_endsWithTheLimit() {
        TicketOptions options =
                new TicketOptions(TestChunks.BYTES, TestChunks.BYTES, Duration.ofSeconds(5));
        try (TicketedChunkStore store = open("log", options)) {
            putOnDiskAlone(store);
            store.protect("client", List.of(key(1), key(2)));
            assertThat(store.tickets()).isEqualTo(1);
            assertThat(retention.mustStay(key(1))).isTrue();
            assertThat(retention.mustStay(key(2))).isFalse();
            store.protect("client", List.of(key(1)));
            store.unprotect("client");
            assertThat(retention.mustStay(key(1))).isFalse();
        }
    }
}
