package io.kvtier.storage.log;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.Durability;
import io.kvtier.storage.OverloadedException;
import io.kvtier.storage.PutOutcome;
import io.kvtier.storage.TestChunks;
import io.kvtier.storage.TestChunks.ManualClock;
import io.kvtier.storage.UnavailableException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Disks that fail without losing power, and what a log costs on one that does not. */
class LogFaultTest {
    private static final long BYTES_MAX = 1L << 20;

    @TempDir Path folder;

    private final ManualClock clock = new ManualClock();
    private final BlobPool pool = TestChunks.pool(32L << 20);
    private final FaultyMedium medium = new FaultyMedium(7);

    @AfterEach
    void closePool() {
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    private LogChunkStore open(Medium on) {
        LogStoreOptions options = LogStoreOptions.of(folder, BYTES_MAX);
        return new LogChunkStore(pool, options, Logs.surroundings(clock), on);
    }

    private PutOutcome put(LogChunkStore store, int number, Durability durability) {
        return TestChunks.put(store, pool, key(number), meta(number, 1), durability);
    }

    @Test
    void put_syncFails_isNotAcknowledgedAndTheStoreHeals() throws IOException {
        try (LogChunkStore store = open(medium)) {
            assertThat(put(store, 1, Durability.DISK)).isInstanceOf(PutOutcome.Stored.class);
            assertThat(put(store, 2, Durability.MEMORY)).isInstanceOf(PutOutcome.Stored.class);
            medium.syncsLeft = 0;

            assertThatThrownBy(() -> put(store, 3, Durability.DISK))
                    .isInstanceOf(UnavailableException.class)
                    .hasMessageContaining("check the disk");
            assertThat(store.find(key(3))).isEmpty();
            assertThatThrownBy(() -> put(store, 3, Durability.DISK))
                    .isInstanceOf(UnavailableException.class)
                    .hasMessageContaining("refuses puts");
            assertThat(get(store, key(1))).contains(meta(1, 1));

            clock.advance(Duration.ofSeconds(2));
            assertThat(put(store, 3, Durability.DISK)).isInstanceOf(PutOutcome.Stored.class);
            assertThat(store.remove(key(3))).isTrue();
            medium.cut();
        }
        medium.leaveWreck();
        Logs.deleteTree(folder.resolve("index"));
        try (LogChunkStore store = open(new FileMedium())) {
            assertThat(get(store, key(1))).contains(meta(1, 1));
            assertThat(store.find(key(3))).as("neither of its two records").isEmpty();
        }
    }

    /** One sync in seven fails, for a long time: nothing that was acknowledged is lost. */
    @Test
    void put_syncsFailAgainAndAgain_losesNothingAcknowledged() throws IOException {
        SplittableRandom random = new SplittableRandom(3);
        List<Integer> acknowledged = new ArrayList<>();
        try (LogChunkStore store = open(medium)) {
            for (int i = 0; i < 25; i++) {
                medium.syncsLeft = random.nextInt(7);
                try {
                    assertThat(put(store, i, Durability.DISK))
                            .isInstanceOf(PutOutcome.Stored.class);
                    acknowledged.add(i);
                } catch (UnavailableException e) {
                    clock.advance(Duration.ofSeconds(2));
                }
            }
            assertThat(store.stats().evicted()).isZero();
            medium.cut();
        }
        medium.leaveWreck();
        assertThat(acknowledged).hasSizeBetween(5, 24);
        try (LogChunkStore store = open(new FileMedium())) {
            for (int i : acknowledged) {
                assertThat(get(store, key(i))).as("value %d", i).contains(meta(i, 1));
            }
        }
    }

    @Test
    void put_diskFull_isOverloadedWhileReadsGoOnAndHealsItself() {
        try (LogChunkStore store = open(medium)) {
            assertThat(put(store, 1, Durability.DISK)).isInstanceOf(PutOutcome.Stored.class);
            medium.bytesLeft = 30_000;
            assertThat(put(store, 2, Durability.DISK)).isInstanceOf(PutOutcome.Stored.class);

            for (int i = 0; i < 3; i++) {
                assertThatThrownBy(() -> put(store, 3, Durability.DISK))
                        .isInstanceOf(OverloadedException.class)
                        .hasMessageContaining("full");
                assertThat(get(store, key(1))).contains(meta(1, 1));
                assertThat(get(store, key(2))).contains(meta(2, 1));
                clock.advance(Duration.ofSeconds(i));
            }

            medium.bytesLeft = Long.MAX_VALUE;
            clock.advance(Duration.ofSeconds(2));
            assertThat(put(store, 3, Durability.DISK)).isInstanceOf(PutOutcome.Stored.class);
            assertThat(get(store, key(3))).contains(meta(3, 1));
        }
        try (LogChunkStore store = open(new FileMedium())) {
            assertThat(store.stats().entries()).isEqualTo(3);
            assertThat(store.stats().quarantined()).isZero();
        }
    }

    /** While one sync is under way, all others wait for the next one, together. */
    @Test
    void put_manyAtOnce_shareASync() throws Exception {
        WatchedMedium watched = new WatchedMedium(new FileMedium());
        LogStoreOptions options = LogStoreOptions.of(folder, 16L << 20).withSegmentBytes(1L << 20);
        try (LogChunkStore store =
                        new LogChunkStore(pool, options, Logs.surroundings(clock), watched);
                ExecutorService threads = Executors.newFixedThreadPool(5)) {
            // Opens the segment, so that from here on a put is one write.
            assertThat(put(store, 99, Durability.DISK)).isInstanceOf(PutOutcome.Stored.class);
            CountDownLatch written = new CountDownLatch(5);
            AtomicInteger syncs = new AtomicInteger();
            watched.afterWrite = written::countDown;
            watched.beforeForce =
                    () -> {
                        if (syncs.incrementAndGet() == 1) {
                            await(written);
                        }
                    };
            List<Callable<PutOutcome>> puts = new ArrayList<>();
            for (int i = 1; i <= 5; i++) {
                int number = i;
                puts.add(() -> put(store, number, Durability.DISK));
            }
            for (Future<PutOutcome> outcome : threads.invokeAll(puts)) {
                assertThat(outcome.get()).isInstanceOf(PutOutcome.Stored.class);
            }
            assertThat(syncs.get()).as("syncs of five puts").isLessThanOrEqualTo(2);
            watched.beforeForce = () -> {};
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            boolean _ = latch.await(10, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Any one bit of any segment: what comes back is right, or it is missing. */
    @Test
    void open_bitsFlippedAnywhere_areMissesOrHarmless() throws IOException {
        SplittableRandom random = new SplittableRandom(11);
        for (int round = 0; round < 20; round++) {
            try (LogChunkStore store = open(new FileMedium())) {
                for (int i = 0; i < 12; i++) {
                    var _ = put(store, i, Durability.DISK);
                }
            }
            List<Path> files = Logs.files(folder.resolve("log"));
            Path file = files.get(random.nextInt(files.size()));
            boolean withIndex = random.nextBoolean();
            if (!withIndex) {
                Logs.deleteTree(folder.resolve("index"));
            }
            flip(file, random.nextLong(Files.size(file)), random.nextInt(8));
            try (LogChunkStore store = open(new FileMedium())) {
                int found = 0;
                for (int i = 0; i < 12; i++) {
                    found += get(store, key(i)).isPresent() ? 1 : 0;
                }
                assertThat(found).as("round %d", round).isGreaterThanOrEqualTo(11);
                assertThat(found == 12 || store.stats().quarantined() > 0).isTrue();
            }
        }
    }

    private static void flip(Path file, long offset, int bit) throws IOException {
        try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
            bytes.seek(offset);
            int before = bytes.read();
            bytes.seek(offset);
            bytes.write(before ^ 1 << bit);
        }
    }

    /** Of a segment in which one value of three lives, compaction reads that one. */
    @Test
    void compact_mostlyDeadSegment_readsWhatLives() {
        try (LogChunkStore store = open(medium)) {
            for (int i = 0; i < 6; i++) {
                assertThat(put(store, i, Durability.DISK)).isInstanceOf(PutOutcome.Stored.class);
            }
            assertThat(store.remove(key(0))).isTrue();
            assertThat(store.remove(key(1))).isTrue();
            medium.readBytes.clear();

            assertThat(store.engine().compact()).isTrue();

            long read = medium.readBytes.values().stream().mapToLong(Long::longValue).sum();
            assertThat(read).as("bytes read").isBetween(20_000L, 20_000L + 4_000);
            assertThat(store.traffic().moved()).isEqualTo(20_480);
            assertThat(get(store, key(2))).contains(meta(2, 1));
        }
    }

    @Test
    void mappedMedium_behavesAsFilesDo() {
        Medium mapped = new MappedMedium(MapMode.READ_WRITE);
        try (LogChunkStore store = open(mapped)) {
            for (int i = 0; i < 150; i++) {
                int number = i < 20 ? i : i % 5;
                ChunkMeta meta = meta(number, 1 + i);
                var _ = TestChunks.put(store, pool, key(number), meta, Durability.DISK);
            }
            assertThat(store.stats().evicted()).isZero();
            boolean gained = true;
            while (gained) {
                gained = store.engine().compact();
            }
            assertThat(store.traffic().moved()).isPositive();
        }
        try (LogChunkStore store = open(mapped)) {
            for (int i = 0; i < 20; i++) {
                assertThat(get(store, key(i))).isPresent();
            }
            assertThat(store.stats().quarantined()).isZero();
        }
    }

    @Test
    void index_ofManyValues_isSmall() {
        SlotIndex index = new SlotIndex(12345);
        Segment segment = new Segment(1, 1, folder, new NoFile(), 1L << 30);
        index.addSegment(segment);
        int count = 100_000;
        for (int i = 0; i < count; i++) {
            index.put(key(i), new Location(i + 1, segment, 512 * i, 512));
        }

        assertThat(index.memoryBytes() / count).as("bytes of index a value").isLessThan(120);
        assertThat(index.peek(key(77_777)))
                .isEqualTo(new Location(77_778, segment, 512 * 77_777, 512));
        assertThat(index.peek(key(count))).isNull();
        int removed = 0;
        while (index.removeOldest(_ -> false) != null) {
            removed++;
        }
        assertThat(removed).isEqualTo(count);
        assertThat(segment.liveCount()).isZero();
        assertThat(index.killed()).hasSize(count);
    }

    /** A file that nobody reads or writes. */
    private static final class NoFile implements SegmentFile {
        @Override
        public void write(long position, ByteBuffer... sources) {}

        @Override
        public void read(long position, ByteBuffer target) {}

        @Override
        public void force(long start, long end) {}

        @Override
        public long size() {
            return 0;
        }

        @Override
        public void truncate(long bytes) {}

        @Override
        public void close() {}
    }
}
