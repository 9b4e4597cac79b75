package io.kvtier.storage.log;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.storage.Blob;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.Durability;
import io.kvtier.storage.ScrubCounts;
import io.kvtier.storage.TestChunks;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LogScrubberTest {
    private static final int VALUES = 30;
    private static final long SEED = 20_261_124;

    @TempDir Path folder;

    private final BlobPool pool = TestChunks.pool(16L << 20);

    @AfterEach
    void closePool() {
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    private LogChunkStore open() {
        return new LogChunkStore(pool, LogStoreOptions.of(folder, 1L << 20), Logs.surroundings());
    }

    private void fill(LogChunkStore store) {
        for (int number = 0; number < VALUES; number++) {
            var _ = TestChunks.put(store, pool, key(number), meta(number, 1), Durability.DISK);
        }
    }

    private static long scrubAll(LogChunkStore store, long step) {
        long bytes = 0;
        long done = store.scrub(step);
        while (done > 0) {
            bytes += done;
            done = store.scrub(step);
        }
        return bytes;
    }

    /** Flips a bit of each of these values on the medium, under the open store. */
    private void damage(Set<Integer> numbers) throws IOException {
        for (int number : numbers) {
            byte[] needle = new byte[32];
            ChunkMeta meta = meta(number, 1);
            try (Blob value = TestChunks.value(pool, meta)) {
                value.segment().asByteBuffer().get((int) meta.bytes() / 2, needle);
            }
            assertThat(
                            Logs.files(folder.resolve("log")).stream()
                                    .filter(file -> Logs.flip(file, needle)))
                    .hasSize(1);
        }
    }

    @Test
    void scrub_soundValues_readsEachOnceAPassAndCountsAsNoUse() {
        try (LogChunkStore store = open()) {
            fill(store);
            long bytes = scrubAll(store, 1);
            assertThat(bytes).isGreaterThan(VALUES * meta(0, 1).bytes());
            assertThat(store.scrubbed()).isEqualTo(new ScrubCounts(1, VALUES, bytes, 0));
            assertThat(scrubAll(store, 100_000)).isEqualTo(bytes);
            assertThat(store.scrubbed().passes()).isEqualTo(2);
            assertThat(store.stats().hits()).isZero();

            for (int number = VALUES; store.find(key(0)).isPresent(); number++) {
                assertThat(store.find(key(1))).as("younger by use than 0").isPresent();
                var _ =
                        TestChunks.put(
                                store, pool, key(number), meta(number, 1), Durability.MEMORY);
            }
        }
    }

    @Test
    void scrub_flippedValues_findsAllOfThemInOnePass() throws IOException {
        SplittableRandom random = new SplittableRandom(SEED);
        Set<Integer> damaged = new TreeSet<>();
        while (damaged.size() < 7) {
            damaged.add(random.nextInt(VALUES));
        }
        try (LogChunkStore store = open()) {
            fill(store);
            damage(damaged);

            var _ = scrubAll(store, 50_000);

            assertThat(store.scrubbed().damaged()).as("seed %d", SEED).isEqualTo(7);
            assertThat(store.stats().quarantined()).isEqualTo(7);
            for (int number = 0; number < VALUES; number++) {
                assertThat(store.find(key(number)).isPresent())
                        .as("seed %d value %d", SEED, number)
                        .isEqualTo(!damaged.contains(number));
            }
            for (int number : damaged) {
                var _ = TestChunks.put(store, pool, key(number), meta(number, 1), Durability.DISK);
            }
            var _ = scrubAll(store, 50_000);
            assertThat(store.scrubbed().damaged()).isEqualTo(7);
        }
        try (LogChunkStore store = open()) {
            for (int number = 0; number < VALUES; number++) {
                assertThat(get(store, key(number))).contains(meta(number, 1));
            }
        }
    }

    /** Values move, are replaced and removed between the steps of a pass. */
    @Test
    void scrub_besideCompactionAndPuts_findsNoDamageWhereNoneIs() {
        SplittableRandom random = new SplittableRandom(SEED);
        try (LogChunkStore store = open()) {
            fill(store);
            for (int step = 0; step < 400; step++) {
                int number = random.nextInt(VALUES);
                switch (random.nextInt(4)) {
                    case 0 -> {
                        ChunkMeta meta = meta(number, 2 + step);
                        var _ = TestChunks.put(store, pool, key(number), meta, Durability.MEMORY);
                    }
                    case 1 -> {
                        boolean _ = store.remove(key(number));
                    }
                    case 2 -> {
                        boolean _ = store.engine().compact();
                    }
                    default -> {
                        long _ = store.scrub(30_000);
                    }
                }
            }
            assertThat(store.scrubbed().passes()).as("seed %d", SEED).isPositive();
            assertThat(store.stats().quarantined()).isZero();
        }
    }

    @Test
    void task_runOnceASecond_keepsItsRateAndRestsBetweenPasses() {
        try (LogChunkStore store = open()) {
            fill(store);
            ScrubTask task = new ScrubTask(store, 50_000, Duration.ofSeconds(3));
            int seconds = 0;
            while (store.scrubbed().passes() == 0) {
                task.run();
                seconds++;
                assertThat(store.scrubbed().bytes())
                        .as("bytes after %d seconds", seconds)
                        .isLessThanOrEqualTo(50_000L * seconds + 22_000);
            }
            long afterPass = store.scrubbed().bytes();
            for (int second = 0; second < 3; second++) {
                task.run();
            }
            assertThat(store.scrubbed().bytes()).as("while it rests").isEqualTo(afterPass);
            task.run();
            assertThat(store.scrubbed().bytes()).isGreaterThan(afterPass);
        }
    }
}
