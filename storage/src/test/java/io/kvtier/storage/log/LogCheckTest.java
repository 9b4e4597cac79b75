package io.kvtier.storage.log;

import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.storage.BlobPool;
import io.kvtier.storage.Durability;
import io.kvtier.storage.StoreReport;
import io.kvtier.storage.StoreReport.Finding;
import io.kvtier.storage.TestChunks;
import io.kvtier.storage.UnavailableException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every byte of a log is looked at, and what is wrong is named. */
class LogCheckTest {
    private static final int VALUES = 10;

    @TempDir Path folder;

    private final BlobPool pool = TestChunks.pool(16L << 20);

    @AfterEach
    void closePool() {
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    private LogChunkStore open() {
        LogStoreOptions options = LogStoreOptions.of(folder, 1L << 20);
        return new LogChunkStore(pool, options, Logs.surroundings());
    }

    private void fill() {
        try (LogChunkStore store = open()) {
            for (int number = 0; number < VALUES; number++) {
                put(store, number, 1);
            }
            put(store, 0, 2);
            assertThat(store.remove(key(1))).isTrue();
        }
    }

    private void put(LogChunkStore store, int number, int quality) {
        var _ = TestChunks.put(store, pool, key(number), meta(number, quality), Durability.DISK);
    }

    @Test
    void check_soundLog_countsWhatLivesAndWhatIsDead() throws IOException {
        fill();

        StoreReport report = LogCheck.run(folder);

        assertThat(report.findings()).isEmpty();
        assertThat(report.isSound()).isTrue();
        assertThat(report.values()).isEqualTo(VALUES - 1);
        assertThat(report.valueBytes()).isEqualTo((VALUES - 1L) * TestChunks.BYTES);
        assertThat(report.dead()).isEqualTo(2);
        assertThat(report.tornBytes()).isZero();
    }

    @Test
    void check_storeInUse_isUnavailable() {
        try (LogChunkStore store = open()) {
            assertThatThrownBy(() -> LogCheck.run(folder))
                    .isInstanceOf(UnavailableException.class)
                    .hasMessageContaining("in use");
            assertThat(store.find(key(0))).isEmpty();
        }
    }

    /** Any bit of any segment, each on its own: all are found. */
    @Test
    void check_anyBitFlipped_isFound() throws IOException {
        fill();
        long seed = 20_261_124;
        SplittableRandom random = new SplittableRandom(seed);
        List<Path> files = Logs.files(folder.resolve("log"));
        for (int round = 0; round < 300; round++) {
            Path file = files.get(random.nextInt(files.size()));
            long offset = random.nextLong(Files.size(file));
            int bit = random.nextInt(8);
            flip(file, offset, bit);
            assertThat(LogCheck.run(folder).isSound())
                    .as("seed %d round %d: %s at %d bit %d", seed, round, file, offset, bit)
                    .isFalse();
            flip(file, offset, bit);
        }
        assertThat(LogCheck.run(folder).isSound()).isTrue();
    }

    @Test
    void check_valueFlipped_namesChunkFileAndRecord() throws IOException {
        fill();
        Path first = Logs.files(folder.resolve("log")).getFirst();
        // The third record: of chunk 2, behind the head of the segment and two of 20,480 bytes.
        long record = 512 + 2 * 20_480;
        flip(first, record + 10_000, 3);

        StoreReport report = LogCheck.run(folder);

        assertThat(report.damaged()).isEqualTo(1);
        Finding finding = report.findings().getFirst();
        assertThat(finding.file()).isEqualTo(first.toString());
        assertThat(finding.offset()).isEqualTo(record);
        assertThat(finding.key()).isEqualTo(StoreReport.hex(key(2)));
        assertThat(finding.counts()).isTrue();
        assertThat(report.values()).isEqualTo(VALUES - 2);
    }

    @Test
    void check_deadValueFlipped_losesNothing() throws IOException {
        fill();
        flip(Logs.files(folder.resolve("log")).getFirst(), 512 + 20_480 + 10_000, 3);

        StoreReport report = LogCheck.run(folder);

        assertThat(report.damaged()).isEqualTo(1);
        assertThat(report.findings().getFirst().counts()).isFalse();
        assertThat(report.values()).isEqualTo(VALUES - 1);
    }

    private static void flip(Path file, long offset, int bit) throws IOException {
        try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
            bytes.seek(offset);
            int before = bytes.read();
            bytes.seek(offset);
            bytes.write(before ^ 1 << bit);
        }
    }
}
