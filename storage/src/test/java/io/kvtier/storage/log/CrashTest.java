package io.kvtier.storage.log;

import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.Durability;
import io.kvtier.storage.OverloadedException;
import io.kvtier.storage.TestChunks;
import io.kvtier.storage.UnavailableException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The power goes at any operation of the medium, over and over on the same files: what was
 * acknowledged on disk is there, what was removed is not, and no byte is wrong, with the index or
 * without.
 */
class CrashTest {
    private static final long BYTES_MAX = 1L << 20;
    private static final int MANY_SEGMENTS_BYTES = 96 << 10;
    private static final int KEYS = 20;
    private static final int HOT_KEYS = 5;
    private static final int CRASHES = 200;

    /** Ways in which one crash may leave what was not synced. */
    private static final int WRECKS = 3;

    @TempDir Path folder;

    private final BlobPool pool = TestChunks.pool(16L << 20);
    private final SplittableRandom random = new SplittableRandom(20_261_124);
    private final Map<Integer, Set<Integer>> allowed = new HashMap<>();
    private final Map<Integer, Integer> qualities = new HashMap<>();
    private FaultyMedium medium = new FaultyMedium(0);

    /** Whether the log has segments enough to tell values apart by how often they are put. */
    private boolean manySegments;

    private long moved;
    private int crashes;

    @AfterEach
    void closePool() {
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    @Test
    void crash_atRandomPointsOfCompaction_losesNothingAndResurrectsNothing() throws IOException {
        crashInCompaction();
    }

    private void crashInCompaction() throws IOException {
        for (int cycle = 0; crashes < CRASHES; cycle++) {
            LogChunkStore store = open(cycle);
            int steps = 5 + random.nextInt(15);
            for (int step = 0; step < steps; step++) {
                act(store);
            }
            medium.operationsLeft = random.nextInt(120);
            compactUntilDead(store);
            crash(store);
        }
        assertThat(moved).as("bytes copied by compaction").isPositive();
    }

    @Test
    void crash_atRandomPointsOfAnything_losesNothingAndResurrectsNothing() throws IOException {
        for (int cycle = 0; crashes < CRASHES; cycle++) {
            LogChunkStore store = open(cycle);
            medium.operationsLeft = random.nextInt(400);
            for (int step = 0; step < 60 && !medium.isDead(); step++) {
                act(store);
            }
            crash(store);
        }
    }

    /** Puts and copies meet in the same segments. */
    @Test
    void crash_valuesToldApartByInterval_losesNothingAndResurrectsNothing() throws IOException {
        manySegments = true;
        crashInCompaction();
    }

    private LogStoreOptions options() {
        LogStoreOptions usual = LogStoreOptions.of(folder, BYTES_MAX);
        return manySegments
                ? LogStoreOptions.of(folder, 512L * MANY_SEGMENTS_BYTES)
                        .withSegmentBytes(MANY_SEGMENTS_BYTES)
                : usual;
    }

    /**
     * Compaction removes segments of which one names the dead of the other. Whichever removals the
     * power undoes, and whether or not the index is there to tell: what was removed stays away.
     */
    @Test
    void crash_atEachOperationOfCompaction_bringsNothingBackThatWasRemoved() throws IOException {
        boolean completed = false;
        int operations = 0;
        while (!completed) {
            completed = true;
            for (int wreck = 0; wreck < WRECKS; wreck++) {
                Path run = Files.createDirectory(folder.resolve(operations + "-" + wreck));
                medium = new FaultyMedium(random.nextLong());
                LogChunkStore store = open(run, medium);
                fillSegments(store);
                medium.operationsLeft = operations;
                compactUntilDead(store);
                completed &= !medium.isDead();
                crash(store);

                Path withoutIndex = folder.resolve(operations + "-" + wreck + "-without-index");
                Logs.copyTree(run, withoutIndex);
                Logs.deleteTree(withoutIndex.resolve("index"));
                assertHoldsWhatIsKept(run, operations, wreck);
                assertHoldsWhatIsKept(withoutIndex, operations, wreck);
                Logs.deleteTree(run);
                Logs.deleteTree(withoutIndex);
            }
            operations++;
        }
        assertThat(moved).as("bytes copied by compaction").isPositive();
        assertThat(operations).as("operations of compaction").isGreaterThan(20);
    }

    private LogChunkStore open(Path run, Medium on) {
        LogStoreOptions options = LogStoreOptions.of(run, BYTES_MAX);
        return new LogChunkStore(pool, options, Logs.surroundings(), on);
    }

    /**
     * Four segments of three values. Of the first two nothing lives, and the second one's deaths
     * records name the first one's dead; of the third and fourth one value each lives.
     */
    private void fillSegments(LogChunkStore store) {
        for (int segment = 0; segment < 4; segment++) {
            int first = 3 * segment;
            putOnDisk(store, first);
            if (segment > 0) {
                for (int number = first - 3; number < first; number++) {
                    if (!isKept(number)) {
                        assertThat(store.remove(key(number))).isTrue();
                    }
                }
            }
            putOnDisk(store, first + 1);
            putOnDisk(store, first + 2);
        }
        putOnDisk(store, 12);
        assertThat(store.remove(key(9))).isTrue();
        assertThat(store.remove(key(10))).isTrue();
    }

    private static boolean isKept(int number) {
        return number == 8 || number > 10;
    }

    private void putOnDisk(LogChunkStore store, int number) {
        var _ = TestChunks.put(store, pool, key(number), meta(number, 1), Durability.DISK);
    }

    private void assertHoldsWhatIsKept(Path run, int operations, int wreck) {
        try (LogChunkStore store = open(run, new FileMedium())) {
            for (int number = 0; number <= 12; number++) {
                assertThat(TestChunks.get(store, key(number)).isPresent())
                        .as("%s after %d operations, wreck %d: %d", run, operations, wreck, number)
                        .isEqualTo(isKept(number));
            }
        }
    }

    private LogChunkStore open(int cycle) throws IOException {
        if (random.nextInt(4) == 0 && Files.exists(folder.resolve("index"))) {
            Logs.deleteTree(folder.resolve("index"));
        }
        medium = new FaultyMedium(random.nextLong());
        LogStoreOptions options = options();
        if (random.nextInt(4) == 0) {
            crashWhileOpening(options);
        }
        LogChunkStore store = new LogChunkStore(pool, options, Logs.surroundings(), medium);
        for (int i = 0; i < KEYS; i++) {
            int quality = TestChunks.get(store, key(i)).map(ChunkMeta::quality).orElse(0);
            assertThat(allowed.getOrDefault(i, Set.of(0)))
                    .as("cycle %d key %d", cycle, i)
                    .contains(quality);
            // What came back once was written down on the way: it stays.
            allowed.put(i, new HashSet<>(Set.of(quality)));
        }
        return store;
    }

    private void crashWhileOpening(LogStoreOptions options) throws IOException {
        medium.operationsLeft = random.nextInt(60);
        try (LogChunkStore store = new LogChunkStore(pool, options, Logs.surroundings(), medium)) {
            medium.cut();
            assertThat(store.stats().quarantined()).isNotNegative();
        } catch (UnavailableException e) {
            assertThat(medium.isDead()).isTrue();
        }
        medium.leaveWreck();
        medium = new FaultyMedium(random.nextLong());
    }

    private void act(LogChunkStore store) {
        int number = random.nextInt(3) > 0 ? random.nextInt(HOT_KEYS) : random.nextInt(KEYS);
        boolean keeps = random.nextInt(3) > 0;
        if (random.nextInt(12) == 0) {
            remove(store, number);
        } else {
            put(store, number, keeps ? Durability.DISK : Durability.MEMORY);
        }
        assertThat(store.stats().evicted()).isZero();
    }

    private void put(LogChunkStore store, int number, Durability durability) {
        int quality = qualities.merge(number, 1, Integer::sum);
        ChunkMeta meta = meta(number, quality, 15_000L + 1_000L * (number % 7));
        Set<Integer> maybe = allowed.computeIfAbsent(number, n -> new HashSet<>(Set.of(0)));
        maybe.add(quality);
        try {
            var _ = TestChunks.put(store, pool, key(number), meta, durability);
            Optional<ChunkMeta> held = TestChunks.get(store, key(number));
            assertThat(held.isPresent() || medium.isDead()).isTrue();
            if (durability == Durability.DISK) {
                allowed.put(number, new HashSet<>(Set.of(quality)));
            }
        } catch (UnavailableException | OverloadedException e) {
            assertThat(medium.isDead()).as("%s", e.getMessage()).isTrue();
        }
    }

    private void remove(LogChunkStore store, int number) {
        Set<Integer> maybe = allowed.computeIfAbsent(number, n -> new HashSet<>(Set.of(0)));
        try {
            boolean was = store.remove(key(number));
            if (was) {
                allowed.put(number, new HashSet<>(Set.of(0)));
            }
        } catch (UnavailableException | OverloadedException e) {
            assertThat(medium.isDead()).as("%s", e.getMessage()).isTrue();
            maybe.add(0);
        }
    }

    private void compactUntilDead(LogChunkStore store) {
        try {
            boolean gained = true;
            while (gained) {
                gained = store.engine().compact();
            }
        } catch (UnavailableException e) {
            assertThat(medium.isDead()).isTrue();
        }
        moved += store.traffic().moved();
    }

    private void crash(LogChunkStore store) throws IOException {
        crashes += medium.isDead() ? 1 : 0;
        medium.cut();
        store.close();
        medium.leaveWreck();
    }
}
