package io.kvtier.storage.log;

import static io.kvtier.storage.TestChunks.key;
import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.Durability;
import io.kvtier.storage.HotTier;
import io.kvtier.storage.HotTierOptions;
import io.kvtier.storage.OverloadedException;
import io.kvtier.storage.Retention;
import io.kvtier.storage.StoredChunk;
import io.kvtier.storage.TestChunks;
import io.kvtier.storage.TestChunks.ManualClock;
import io.kvtier.storage.TieredChunkStore;
import io.kvtier.storage.UnavailableException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compaction takes the last parts of values that nobody used, while puts force evictions. */
class CutTest {
    private static final long SEED = 20_261_125;
    private static final long BYTES_MAX = 2L << 20;

    /** Values put last, which nothing evicts or cuts. */
    private static final int RECENT = 20;

    private static final long[] CUTS = {3_000, 7_000, 15_001};

    @TempDir Path folder;

    private final ManualClock clock = new ManualClock();
    private final BlobPool pool = TestChunks.pool(16L << 20);
    private final SplittableRandom random = new SplittableRandom(SEED);
    private final Retention retention = TestChunks.retention(clock);

    @AfterEach
    void nothingIsLeft() {
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    private LogChunkStore open(Path path, Medium medium) {
        LogSurroundings surroundings =
                new LogSurroundings(
                        clock,
                        InstantSource.system(),
                        new SplittableRandom(SEED),
                        Runnable::run,
                        retention);
        LogStoreOptions options = LogStoreOptions.of(path, BYTES_MAX);
        return new LogChunkStore(pool, options, surroundings, medium);
    }

    private static ChunkMeta whole(int number) {
        return TestChunks.cuttable(number, CUTS);
    }

    private void put(LogChunkStore store, int number) {
        var _ = TestChunks.put(store, pool, key(number), whole(number), Durability.DISK);
    }

    /** Parts held, 0 for none; every byte of them is compared. */
    private int parts(LogChunkStore store, int number) {
        Optional<ChunkMeta> found = store.find(key(number));
        Optional<StoredChunk> opened = store.open(key(number));
        assertThat(opened.isPresent()).isEqualTo(found.isPresent());
        if (opened.isEmpty()) {
            return 0;
        }
        try (StoredChunk chunk = opened.get()) {
            int parts = chunk.meta().quality();
            assertThat(found).as("a lookup says what a read finds").contains(chunk.meta());
            assertThat(chunk.meta()).isEqualTo(parts == 3 ? whole(number) : cut(number, parts));
            byte[] bytes = new byte[(int) CUTS[2]];
            TestChunks.fill(MemorySegment.ofArray(bytes), TestChunks.seed(whole(number)));
            MemorySegment expected = MemorySegment.ofArray(bytes).asSlice(0, CUTS[parts - 1]);
            assertThat(chunk.blob().segment().mismatch(expected)).isEqualTo(-1);
            return parts;
        }
    }

    private static ChunkMeta cut(int number, int parts) {
        return whole(number).cutAt(parts - 1);
    }

    /** Puts twice as much as fits, by a skewed law; some are used again. */
    private void flood(LogChunkStore store) {
        for (int step = 0; step < 600; step++) {
            int number = (int) (260 * Math.pow(random.nextDouble(), 2));
            if (store.find(key(number)).isEmpty()) {
                put(store, number);
            } else {
                assertThat(parts(store, number)).isPositive();
            }
        }
    }

    @Test
    void compact_underPressure_cutsWhatNobodyUsedAndKeepsItsBase() throws IOException {
        Map<Integer, Integer> held = new HashMap<>();
        try (LogChunkStore store = open(folder, new FileMedium())) {
            flood(store);
            assertThat(store.stats().shrunk()).as("seed %d", SEED).isPositive();
            int cut = 0;
            while (parts(store, cut) == 0 || parts(store, cut) == 3) {
                cut++;
            }
            put(store, cut);
            assertThat(parts(store, cut)).as("a put with more parts takes its place").isEqualTo(3);
            for (int number = 0; number < 260; number++) {
                held.put(number, parts(store, number));
            }
            assertThat(held.values()).contains(0, 3).containsAnyOf(1, 2);
        }
        for (int start = 0; start < 2; start++) {
            try (LogChunkStore store = open(folder, new FileMedium())) {
                held.forEach((number, parts) -> assertThat(parts(store, number)).isEqualTo(parts));
            }
            Logs.deleteTree(folder.resolve("index"));
        }
        assertThat(LogCheck.run(folder).isSound()).isTrue();
    }

    @Test
    void compact_pinned_isNotCut() {
        HotTier hot = new HotTier(pool, HotTierOptions.ofBytesMax(40_000), clock);
        LogChunkStore log = open(folder, new FileMedium());
        try (TieredChunkStore store = new TieredChunkStore(hot, log, retention)) {
            for (int number = 1000; number < 1040; number++) {
                put(log, number);
                assertThat(store.pin(key(number))).isTrue();
            }
            flood(log);
            assertThat(log.stats().shrunk()).isPositive();
            for (int number = 1000; number < 1040; number++) {
                assertThat(parts(log, number)).isEqualTo(3);
            }
        }
    }

    /** The power goes while puts force compaction to cut. */
    @Test
    void crash_whileCompactionCuts_losesNoRecentPutAndNoByte() throws IOException {
        boolean completed = false;
        long shrunk = 0;
        int crashes = 0;
        for (int operations = 0; !completed; operations += 61) {
            Path run = Files.createDirectory(folder.resolve("run-" + operations));
            FaultyMedium medium = new FaultyMedium(SEED + operations);
            LogChunkStore store = open(run, medium);
            int next = 0;
            while (store.stats().evicted() < 40) {
                put(store, next++);
            }
            medium.operationsLeft = operations;
            int end = next + 60;
            try {
                while (next < end) {
                    put(store, next);
                    next++;
                }
            } catch (UnavailableException | OverloadedException e) {
                assertThat(medium.isDead()).as("%s", e.getMessage()).isTrue();
            }
            completed = !medium.isDead();
            crashes += completed ? 0 : 1;
            shrunk += store.stats().shrunk();
            medium.cut();
            store.close();
            medium.leaveWreck();
            Path withoutIndex = folder.resolve("without-" + operations);
            Logs.copyTree(run, withoutIndex);
            Logs.deleteTree(withoutIndex.resolve("index"));
            for (Path path : new Path[] {run, withoutIndex}) {
                try (LogChunkStore again = open(path, new FileMedium())) {
                    for (int number = 0; number < next; number++) {
                        int parts = parts(again, number);
                        if (number >= next - RECENT) {
                            assertThat(parts).as("%s, value %d", path, number).isEqualTo(3);
                        }
                    }
                }
                Logs.deleteTree(path);
            }
        }
        assertThat(shrunk).as("values cut in all runs").isPositive();
        assertThat(crashes).isGreaterThan(5);
    }
}
