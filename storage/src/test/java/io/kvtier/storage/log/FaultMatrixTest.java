package io.kvtier.storage.log;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.Durability;
import io.kvtier.storage.HotTier;
import io.kvtier.storage.HotTierOptions;
import io.kvtier.storage.NanoClock;
import io.kvtier.storage.OverloadedException;
import io.kvtier.storage.PutOutcome;
import io.kvtier.storage.RocksCheck;
import io.kvtier.storage.StoreReport;
import io.kvtier.storage.TestChunks;
import io.kvtier.storage.TestChunks.ManualClock;
import io.kvtier.storage.TieredChunkStore;
import io.kvtier.storage.UnavailableException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The faults of one disk, row by row as docs/guarantees.md numbers them: real files, real processes
 * where a process dies. Every value that comes back is compared byte for byte; at the end of each
 * test the files are checked offline, and neither memory nor a file is left open.
 *
 * <p>{@code -Dfaults.seed=N} replays a run, {@code -Dfaults.scale=N} makes it N times as long.
 */
@Timeout(240)
class FaultMatrixTest {
    private static final int SCALE = Integer.getInteger("faults.scale", 1);
    private static final long BYTES_MAX = 4L << 20;

    @TempDir Path folder;

    private final long seed = Long.getLong("faults.seed", 20_261_124);
    private final SplittableRandom random = new SplittableRandom(seed);
    private final ManualClock clock = new ManualClock();
    private final BlobPool pool = TestChunks.pool(64L << 20);

    @AfterEach
    void assertNothingIsLeft() throws IOException {
        assertThat(pool.outstandingBytes()).as("seed %d", seed).isZero();
        pool.close();
        assertThat(openFiles()).as("seed %d, files left open", seed).isEmpty();
    }

    private List<Path> openFiles() throws IOException {
        List<Path> open = new ArrayList<>();
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            for (Path each : (Iterable<Path>) descriptors::iterator) {
                if (Files.isSymbolicLink(each)) {
                    open.add(Files.readSymbolicLink(each));
                }
            }
        }
        return open.stream().filter(each -> each.startsWith(folder)).toList();
    }

    private void say(String row) {
        System.out.println(row + " seed=" + seed);
    }

    private LogChunkStore open(Path path, Medium medium) {
        LogStoreOptions usual = LogStoreOptions.of(path, BYTES_MAX);
        LogStoreOptions options =
                new LogStoreOptions(
                        path,
                        BYTES_MAX,
                        usual.entriesMax(),
                        usual.segmentBytes(),
                        0,
                        usual.metaCacheBytes(),
                        usual.quarantineBytesMax(),
                        usual.retryAfter(),
                        false);
        return new LogChunkStore(pool, options, Logs.surroundings(clock), medium);
    }

    private PutOutcome put(ChunkStore store, int number, Durability durability) {
        return TestChunks.put(store, pool, key(number), meta(number, 1), durability);
    }

    private void assertHolds(ChunkStore store, List<Integer> numbers) {
        for (int number : numbers) {
            assertThat(get(store, key(number)))
                    .as("seed %d value %d", seed, number)
                    .contains(meta(number, 1));
        }
    }

    private static void assertSound(Path path, String layout) throws IOException {
        StoreReport report = layout.equals("log") ? LogCheck.run(path) : RocksCheck.run(path);
        // A segment that lost even its start holds nothing that anybody was promised.
        assertThat(report.findings().stream().filter(StoreReport.Finding::counts)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"log", "blob"})
    void row1_killedInTheMiddleOfPuts_losesNothingAcknowledged(String layout) throws Exception {
        say("row 1, " + layout);
        List<Integer> acknowledged = new ArrayList<>();
        for (int cycle = 0; cycle < 3 * SCALE; cycle++) {
            try (PutProcess putting = PutProcess.start(folder, layout, 1000 * cycle)) {
                int before = 20 + random.nextInt(60);
                for (int i = 0; i < before; i++) {
                    int number = putting.next();
                    assertThat(number).as("cycle %d", cycle).isNotNegative();
                    acknowledged.add(number);
                }
                putting.kill();
                for (int rest = putting.next(); rest >= 0; rest = putting.next()) {
                    acknowledged.add(rest);
                }
            }
            try (ChunkStore store = PutProcess.open(pool, folder, layout)) {
                assertHolds(store, acknowledged);
                assertThat(store.stats().evicted()).isZero();
                assertThat(store.stats().quarantined()).isZero();
            }
        }
        assertSound(folder, layout);
    }

    @Test
    void row2_unsyncedLostAndTheEndTorn_keepsWhatWasAcknowledgedOnDisk() throws IOException {
        say("row 2");
        List<Integer> durable = new ArrayList<>();
        for (int cycle = 0; cycle < 20 * SCALE; cycle++) {
            FaultyMedium medium = new FaultyMedium(random.nextLong());
            try (LogChunkStore store = open(folder, medium)) {
                assertHolds(store, durable);
                for (int i = 0; i < 4; i++) {
                    int number = 10 * cycle + i;
                    boolean onDisk = random.nextBoolean();
                    var _ = put(store, number, onDisk ? Durability.DISK : Durability.MEMORY);
                    if (onDisk) {
                        durable.add(number);
                    }
                }
                medium.cut();
            }
            medium.leaveWreck();
            tearEnd();
        }
        try (LogChunkStore store = open(folder, new FileMedium())) {
            assertHolds(store, durable);
            for (int number = 0; number < 200 * SCALE; number++) {
                get(store, key(number)).ifPresent(found -> assertThat(found.quality()).isOne());
            }
        }
        assertSound(folder, "log");
    }

    /** Noise behind the last segment, as a write leaves it that the power interrupts. */
    private void tearEnd() throws IOException {
        List<Path> files = Logs.files(folder.resolve("log"));
        byte[] noise = new byte[random.nextInt(64 << 10)];
        random.nextBytes(noise);
        try (RandomAccessFile last = new RandomAccessFile(files.getLast().toFile(), "rw")) {
            last.seek(last.length());
            last.write(noise);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"log", "blob"})
    void row3_bitsFlippedInAnyFile_areMissesOrHarmless(String layout) throws IOException {
        say("row 3, " + layout);
        long missed = 0;
        for (int round = 0; round < 10 * SCALE; round++) {
            Path path = Files.createDirectory(folder.resolve("round" + round));
            try (ChunkStore store = PutProcess.open(pool, path, layout)) {
                for (int number = 0; number < 30; number++) {
                    var _ = put(store, number, Durability.DISK);
                }
            }
            for (int flips = 0; flips < 5; flips++) {
                flip(path);
            }
            try (ChunkStore store = PutProcess.open(pool, path, layout)) {
                for (int number = 0; number < 30; number++) {
                    // Compares every byte of what comes back.
                    missed += get(store, key(number)).isPresent() ? 0 : 1;
                }
                // Whatever was lost can be put again.
                for (int number = 0; number < 30; number++) {
                    var _ = put(store, number, Durability.DISK);
                    assertThat(get(store, key(number))).contains(meta(number, 1));
                }
            }
        }
        assertThat(missed).as("seed %d, values lost", seed).isPositive();
    }

    private void flip(Path path) throws IOException {
        List<Path> files;
        try (Stream<Path> walk = Files.walk(path)) {
            files =
                    walk.filter(Files::isRegularFile)
                            .filter(file -> !file.endsWith("STORE") && !file.endsWith("LOCK"))
                            .filter(file -> file.toFile().length() > 0)
                            .sorted()
                            .toList();
        }
        Path file = files.get(random.nextInt(files.size()));
        try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
            long at = random.nextLong(bytes.length());
            bytes.seek(at);
            int before = bytes.read();
            bytes.seek(at);
            bytes.write(before ^ 1 << random.nextInt(8));
        }
    }

    /** A tmpfs where this user may mount one; else a medium that is full at the same byte. */
    @Test
    void row5_diskFull_refusesPutsServesReadsAndHealsByItself() throws Exception {
        say("row 5");
        Path small = Files.createDirectory(folder.resolve("small"));
        FaultyMedium limited = new FaultyMedium(seed);
        boolean mounted = run("mount", "-t", "tmpfs", "-o", "size=3m", "kvtier", small.toString());
        try {
            Medium medium = mounted ? new FileMedium() : limited;
            limited.bytesLeft = 2 << 20;
            List<Integer> held = new ArrayList<>();
            try (LogChunkStore store = open(small.resolve("store"), medium)) {
                for (int round = 0; round < 3; round++) {
                    int refused = 0;
                    for (int number = 1000 * round; refused < 5; number++) {
                        try {
                            var _ = put(store, number, Durability.DISK);
                            held.add(number);
                        } catch (OverloadedException e) {
                            refused++;
                            assertHolds(store, held.subList(0, Math.min(5, held.size())));
                        }
                    }
                    assertThat(store.stats().evicted()).as("below its own limit").isZero();
                    String grown = "remount,size=" + (3100 + 300 * (round + 1)) + "k";
                    assertThat(!mounted || run("mount", "-o", grown, small.toString())).isTrue();
                    limited.bytesLeft += 300 << 10;
                    clock.advance(Duration.ofSeconds(2));
                    int next = 1000 * round + 999;
                    assertThat(put(store, next, Durability.DISK))
                            .isInstanceOf(PutOutcome.Stored.class);
                    held.add(next);
                    assertHolds(store, held);
                }
            }
            assertSound(small.resolve("store"), "log");
        } finally {
            assertThat(!mounted || run("umount", small.toString())).isTrue();
        }
    }

    private static boolean run(String... command) throws IOException, InterruptedException {
        Process process =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .start();
        return process.waitFor() == 0;
    }

    /** While a sync hangs, everything that memory can answer is answered. */
    @Test
    void row6_diskHangs_hotHitsLookupsAndMemoryPutsGoOn() throws Exception {
        say("row 6");
        WatchedMedium medium = new WatchedMedium(new FileMedium());
        CountDownLatch hanging = new CountDownLatch(1);
        CountDownLatch over = new CountDownLatch(1);
        HotTier hot = new HotTier(pool, HotTierOptions.ofBytesMax(32L << 20), NanoClock.system());
        try (TieredChunkStore store = tiered(hot, open(folder, medium))) {
            for (int number = 0; number < 20; number++) {
                var _ = put(store, number, Durability.DISK);
            }
            medium.beforeForce =
                    () -> {
                        hanging.countDown();
                        awaitUninterruptibly(over);
                    };
            Thread slow = Thread.ofPlatform().start(() -> put(store, 100, Durability.DISK));
            hanging.await();
            for (int i = 0; i < 1000; i++) {
                int number = random.nextInt(20);
                assertThat(get(store, key(number))).contains(meta(number, 1));
                assertThat(store.find(key(number))).isPresent();
            }
            var _ = put(store, 200, Durability.MEMORY);
            assertThat(get(store, key(200))).contains(meta(200, 1));
            assertThat(store.find(key(100))).as("not durable yet, so not there").isEmpty();
            medium.beforeForce = () -> {};
            over.countDown();
            slow.join();
            assertThat(get(store, key(100))).contains(meta(100, 1));
        }
        assertSound(folder, "log");
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void row7_syncsFail_areNotAcknowledgedAndTheStoreOpensAgain() throws IOException {
        say("row 7");
        FaultyMedium medium = new FaultyMedium(random.nextLong());
        List<Integer> acknowledged = new ArrayList<>();
        int failed = 0;
        try (LogChunkStore store = open(folder, medium)) {
            for (int number = 0; number < 100 * SCALE; number++) {
                if (random.nextInt(25) == 0) {
                    medium.syncsLeft = 0;
                }
                try {
                    var _ = put(store, number, Durability.DISK);
                    acknowledged.add(number);
                } catch (UnavailableException e) {
                    failed++;
                    assertThat(store.find(key(number))).as("seed %d", seed).isEmpty();
                    clock.advance(Duration.ofSeconds(2));
                }
            }
            assertThat(store.stats().evicted()).isZero();
            assertHolds(store, acknowledged);
            medium.cut();
        }
        medium.leaveWreck();
        assertThat(failed).as("seed %d, puts that failed", seed).isPositive();
        try (LogChunkStore store = open(folder, new FileMedium())) {
            assertHolds(store, acknowledged);
            ChunkMeta again = meta(acknowledged.getFirst(), 2);
            assertThat(
                            TestChunks.put(
                                    store,
                                    pool,
                                    key(acknowledged.getFirst()),
                                    again,
                                    Durability.DISK))
                    .isInstanceOf(PutOutcome.Replaced.class);
        }
        assertSound(folder, "log");
    }

    private static TieredChunkStore tiered(HotTier hot, ChunkStore cold) {
        return new TieredChunkStore(hot, cold, Logs.retention(NanoClock.system()));
    }
}
