package io.kvtier.storage;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.storage.TestChunks.ManualClock;
import io.kvtier.storage.log.LogChunkStore;
import io.kvtier.storage.log.LogStoreOptions;
import io.kvtier.storage.log.LogSurroundings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pins and times to live, in a tiered store over either layout. */
class RetentionTest {
    private static final long COLD_BYTES = 2L << 20;
    private static final long PINNED_BYTES_MAX = 4L * TestChunks.BYTES;

    private final ManualClock clock = new ManualClock();
    private final BlobPool pool = TestChunks.pool(16L << 20);
    private Instant wallClock = Instant.parse("2026-11-24T12:00:00Z");

    @TempDir Path folder;

    @AfterEach
    void nothingIsLeft() {
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    /** A tiered store with its retention, closed as a node does. */
    private final class Node implements AutoCloseable {
        final Retention retention;
        final ChunkStore cold;
        final TieredChunkStore store;

        Node(String layout) {
            InstantSource instants = () -> wallClock;
            RetentionOptions options = new RetentionOptions(PINNED_BYTES_MAX, 8);
            LossLog losses = new LossLog(1 << 10, clock);
            retention =
                    Retention.open(options, folder.resolve("retention"), clock, instants, losses);
            HotTier hot = new HotTier(pool, HotTierOptions.ofBytesMax(100_000), clock, losses);
            cold =
                    layout.equals("log")
                            ? new LogChunkStore(
                                    pool,
                                    LogStoreOptions.of(folder.resolve("log"), COLD_BYTES),
                                    new LogSurroundings(
                                            clock,
                                            instants,
                                            new SplittableRandom(1),
                                            Runnable::run,
                                            retention))
                            : new RocksChunkStore(
                                    pool,
                                    RocksStoreOptions.of(folder.resolve("blob"), COLD_BYTES),
                                    clock,
                                    instants,
                                    retention);
            store = new TieredChunkStore(hot, cold, retention);
        }

        PutOutcome put(int number, Durability durability) {
            return put(number, meta(number, 1), durability);
        }

        PutOutcome put(int number, ChunkMeta meta, Durability durability) {
            return TestChunks.put(store, pool, key(number), meta, durability);
        }

        PutOutcome putFor(int number, Duration time, Durability durability) {
            long end = store.nowMillis() + time.toMillis();
            return put(number, meta(number, 1).withExpiryMillis(end), durability);
        }

        /** More than both tiers hold. */
        void flood() {
            for (int i = 1000; i < 1300; i++) {
                assertThat(put(i, Durability.DISK)).isInstanceOf(PutOutcome.Stored.class);
            }
        }

        LossCause lossOf(int number) {
            assertThat(store.find(key(number))).isEmpty();
            return store.lossOf(key(number)).orElseThrow().cause();
        }

        @Override
        public void close() {
            store.close();
            retention.close();
        }
    }

    private void pass(Duration time) {
        clock.advance(time);
        wallClock = wallClock.plus(time);
    }

    @ParameterizedTest
    @ValueSource(strings = {"log", "blob"})
    void put_timeIsOver_isAMissThatSaysSo(String layout) {
        try (Node node = new Node(layout)) {
            assertThat(node.putFor(1, Duration.ofMinutes(1), Durability.DISK)).isNotNull();
            assertThat(node.putFor(2, Duration.ofMinutes(1), Durability.MEMORY)).isNotNull();
            assertThat(node.put(3, Durability.DISK)).isNotNull();
            pass(Duration.ofSeconds(59));
            assertThat(get(node.store, key(1))).isPresent();
            assertThat(get(node.store, key(2))).isPresent();
            pass(Duration.ofSeconds(1));

            assertThat(node.store.open(key(1))).isEmpty();
            assertThat(node.lossOf(1)).isEqualTo(LossCause.EXPIRED);
            assertThat(node.lossOf(2)).isEqualTo(LossCause.EXPIRED);
            assertThat(node.cold.find(key(1))).as("gone from the disk as well").isEmpty();
            assertThat(get(node.store, key(3))).isPresent();
            assertThat(node.put(1, Durability.DISK)).isInstanceOf(PutOutcome.Stored.class);
            pass(Duration.ofDays(100));
            assertThat(get(node.store, key(1))).as("put anew, without end").isPresent();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"log", "blob"})
    void put_timeGoesOnWhileTheNodeIsDown_expires(String layout) {
        try (Node node = new Node(layout)) {
            assertThat(node.putFor(1, Duration.ofMinutes(10), Durability.DISK)).isNotNull();
            assertThat(node.putFor(2, Duration.ofMinutes(30), Durability.DISK)).isNotNull();
        }
        pass(Duration.ofMinutes(20));
        try (Node node = new Node(layout)) {
            assertThat(node.lossOf(1)).isEqualTo(LossCause.EXPIRED);
            assertThat(get(node.store, key(2))).isPresent();
            wallClock = wallClock.plus(Duration.ofDays(1));
            assertThat(get(node.store, key(2))).as("somebody set the clock").isPresent();
            pass(Duration.ofMinutes(10));
            assertThat(node.lossOf(2)).isEqualTo(LossCause.EXPIRED);
        }
    }

    @Test
    void put_again_theLaterEndCounts() {
        try (Node node = new Node("log")) {
            assertThat(node.putFor(1, Duration.ofMinutes(10), Durability.DISK)).isNotNull();
            assertThat(node.putFor(1, Duration.ofMinutes(5), Durability.DISK))
                    .isInstanceOf(PutOutcome.AlreadyPresent.class);
            pass(Duration.ofMinutes(6));
            assertThat(node.putFor(1, Duration.ofMinutes(10), Durability.DISK))
                    .isInstanceOf(PutOutcome.AlreadyPresent.class);
            pass(Duration.ofMinutes(6));
            assertThat(get(node.store, key(1))).isPresent();
            ChunkMeta better = meta(1, 2).withExpiryMillis(node.store.nowMillis() + 1000);
            assertThat(node.put(1, better, Durability.DISK))
                    .isInstanceOf(PutOutcome.Replaced.class);
            pass(Duration.ofMinutes(3));
            assertThat(get(node.store, key(1))).as("as long as the one before it").isPresent();
            pass(Duration.ofMinutes(1));
            assertThat(node.lossOf(1)).isEqualTo(LossCause.EXPIRED);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"log", "blob"})
    void setExpiry_soonerOrLater_survivesARestart(String layout) {
        try (Node node = new Node(layout)) {
            assertThat(node.put(1, Durability.DISK)).isNotNull();
            assertThat(node.putFor(2, Duration.ofMinutes(1), Durability.DISK)).isNotNull();
            long now = node.store.nowMillis();
            assertThat(node.store.setExpiry(key(1), now + 60_000)).isTrue();
            assertThat(node.store.setExpiry(key(2), ChunkMeta.NEVER)).isTrue();
            assertThat(node.store.setExpiry(key(3), now)).as("not held").isFalse();
        }
        pass(Duration.ofMinutes(2));
        try (Node node = new Node(layout)) {
            assertThat(node.lossOf(1)).isEqualTo(LossCause.EXPIRED);
            assertThat(get(node.store, key(2))).isPresent();
        }
    }

    @Test
    void setExpiry_ofMoreThanTheLimit_forgetsThoseThatAreGoneElseRefuses() {
        try (Node node = new Node("log")) {
            for (int i = 0; i < 9; i++) {
                assertThat(node.put(i, Durability.DISK)).isNotNull();
            }
            long end = node.store.nowMillis() + 60_000;
            for (int i = 0; i < 8; i++) {
                assertThat(node.store.setExpiry(key(i), end)).isTrue();
            }
            assertThatThrownBy(() -> node.store.setExpiry(key(8), end))
                    .isInstanceOf(OverloadedException.class);
            assertThat(node.store.remove(key(0))).isTrue();
            assertThat(node.store.setExpiry(key(8), end)).isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"log", "blob"})
    void pin_moreThanFits_theStoreKeepsItWholeAcrossARestart(String layout) {
        try (Node node = new Node(layout)) {
            assertThat(node.put(1, Durability.MEMORY)).isNotNull();
            assertThat(node.put(2, Durability.DISK)).isNotNull();
            assertThat(node.putFor(3, Duration.ofMinutes(1), Durability.DISK)).isNotNull();
            for (int i = 1; i <= 3; i++) {
                assertThat(node.store.pin(key(i))).isTrue();
            }
            assertThat(node.store.pin(key(4))).as("not held").isFalse();
            pass(Duration.ofMinutes(2));
            node.flood();
            for (int i = 1; i <= 3; i++) {
                assertThat(get(node.store, key(i)))
                        .hasValueSatisfying(held -> assertThat(held.quality()).isEqualTo(1));
            }
        }
        try (Node node = new Node(layout)) {
            assertThat(node.retention.pins()).isEqualTo(3);
            node.flood();
            for (int i = 1; i <= 3; i++) {
                assertThat(get(node.store, key(i))).isPresent();
            }
            assertThat(node.store.unpin(key(2))).isTrue();
            assertThat(node.store.unpin(key(2))).isFalse();
            assertThat(node.store.unpin(key(3))).isTrue();
            assertThat(node.lossOf(3)).as("its time was over").isEqualTo(LossCause.EXPIRED);
            for (int i = 2000; i < 2400; i++) {
                assertThat(node.put(i, Durability.DISK)).isNotNull();
            }
            assertThat(node.lossOf(2)).isEqualTo(LossCause.EVICTED_FROM_DISK);
            assertThat(get(node.store, key(1))).isPresent();
        }
    }

    @Test
    void pin_overTheLimit_isRefusedAndNothingElseChanges() {
        try (Node node = new Node("log")) {
            for (int i = 0; i < 5; i++) {
                assertThat(node.put(i, Durability.DISK)).isNotNull();
            }
            for (int i = 0; i < 4; i++) {
                assertThat(node.store.pin(key(i))).isTrue();
                assertThat(node.store.pin(key(i))).as("again").isTrue();
            }
            assertThatThrownBy(() -> node.store.pin(key(4)))
                    .isInstanceOf(OverloadedException.class)
                    .hasMessageContaining("pinnedBytes=" + PINNED_BYTES_MAX);
            assertThat(node.store.isPinned(key(4))).isFalse();
            assertThat(node.retention.pinnedBytes()).isEqualTo(PINNED_BYTES_MAX);
            assertThat(node.store.remove(key(0))).isTrue();
            assertThat(node.store.pin(key(4))).isTrue();
        }
    }

    @Test
    void pin_replacedByMoreParts_keepsTheseOnDisk() {
        try (Node node = new Node("log")) {
            assertThat(node.put(1, Durability.DISK)).isNotNull();
            assertThat(node.store.pin(key(1))).isTrue();
            assertThat(node.put(1, meta(1, 2), Durability.MEMORY))
                    .isInstanceOf(PutOutcome.Replaced.class);
            node.flood();
            assertThat(get(node.store, key(1)).orElseThrow().quality()).isEqualTo(2);
        }
    }

    @Test
    void open_fileWithATornEndAndAFlippedBit_losesOnlyThatRow() throws IOException {
        try (Node node = new Node("log")) {
            for (int i = 0; i < 3; i++) {
                assertThat(node.put(i, Durability.DISK)).isNotNull();
                assertThat(node.store.pin(key(i))).isTrue();
            }
        }
        Path file = folder.resolve("retention").resolve(TermFile.NAME);
        byte[] bytes = Files.readAllBytes(file);
        assertThat(bytes).hasSize(3 * TermFile.ROW_BYTES);
        byte[] torn = java.util.Arrays.copyOf(bytes, bytes.length + 17);
        torn[TermFile.ROW_BYTES + 50] ^= 4;
        Files.write(file, torn);
        try (Node node = new Node("log")) {
            assertThat(node.store.isPinned(key(0))).isTrue();
            assertThat(node.store.isPinned(key(1))).isFalse();
            assertThat(node.store.isPinned(key(2))).isTrue();
            assertThat(Files.size(file)).isEqualTo(3 * TermFile.ROW_BYTES);
        }
    }

    @Test
    void terms_changedAgainAndAgain_keepTheFileShort() throws IOException {
        try (Node node = new Node("log")) {
            assertThat(node.put(1, Durability.DISK)).isNotNull();
            for (int i = 0; i < 1500; i++) {
                assertThat(node.store.pin(key(1))).isTrue();
                assertThat(node.store.unpin(key(1))).isTrue();
            }
            assertThat(node.store.pin(key(1))).isTrue();
        }
        assertThat(Files.size(folder.resolve("retention").resolve(TermFile.NAME)))
                .isLessThan(1100L * TermFile.ROW_BYTES);
        try (Node node = new Node("log")) {
            assertThat(node.store.isPinned(key(1))).isTrue();
        }
    }

    @Test
    void open_secondProcess_isRefused() {
        try (Node _ = new Node("log")) {
            assertThatThrownBy(() -> new Node("blob"))
                    .isInstanceOf(UnavailableException.class)
                    .hasMessageContaining("in use");
        }
    }
}
