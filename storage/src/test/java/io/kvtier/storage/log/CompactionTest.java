package io.kvtier.storage.log;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.Durability;
import io.kvtier.storage.TestChunks;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What compaction copies and lets go of, on logs of many small segments. */
class CompactionTest {
    private static final long SEGMENT_BYTES = 32 << 10;
    private static final long BYTES_MAX = 512 * SEGMENT_BYTES;
    private static final long CHUNK_BYTES = 1500;
    private static final int RECORD_BYTES = 2048;
    private static final int VALUES = (int) (BYTES_MAX / 10 * 8 / RECORD_BYTES);
    private static final long SCATTER = 7919;
    private static final long SEED = 20_261_124;

    @TempDir Path folder;

    private final BlobPool pool = TestChunks.pool(16L << 20);

    @AfterEach
    void closePool() {
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    private LogStoreOptions options(String name) {
        return LogStoreOptions.of(folder.resolve(name), BYTES_MAX).withSegmentBytes(SEGMENT_BYTES);
    }

    private LogChunkStore open(LogStoreOptions options) {
        return new LogChunkStore(pool, options, Logs.surroundings());
    }

    private void put(LogChunkStore store, int number, int version) {
        ChunkMeta meta = meta(number, version, CHUNK_BYTES);
        var _ = TestChunks.put(store, pool, key(number), meta, Durability.MEMORY);
    }

    /** Nine of ten puts go to a tenth of the keys; returns bytes written by a byte of records. */
    private double overwrite(LogStoreOptions options) {
        SplittableRandom random = new SplittableRandom(SEED);
        int[] versions = new int[VALUES];
        try (LogChunkStore store = open(options)) {
            for (int number = 0; number < VALUES; number++) {
                put(store, number, ++versions[number]);
            }
            long before = 0;
            for (int step = 0; step < 4 * VALUES; step++) {
                if (step == 2 * VALUES) {
                    before = store.traffic().written();
                }
                int rank = random.nextInt(random.nextInt(10) > 0 ? VALUES / 10 : VALUES);
                // Hot values do not lie beside each other from the start.
                int number = (int) (rank * SCATTER % VALUES);
                versions[number] = 2 + step;
                put(store, number, versions[number]);
            }
            double written = store.traffic().written() - before;
            assertThat(store.stats().evicted()).as("nothing forces evictions").isZero();
            for (int number = 0; number < VALUES; number += 50) {
                assertThat(get(store, key(number)))
                        .as("seed %d value %d", SEED, number)
                        .contains(meta(number, versions[number], CHUNK_BYTES));
            }
            return written / (2L * VALUES * RECORD_BYTES);
        }
    }

    @Test
    void overwrite_skewed_writesLessThanThePlainCleaner() {
        double separated = overwrite(options("separated"));
        double plain = overwrite(options("plain").withPlainCleaner());

        assertThat(separated).as("written by a byte").isBetween(1.0, 0.8 * plain);
    }

    /** As a cache is used: puts force evictions, so compaction may let unused values go. */
    @Test
    void put_beyondTheBudget_losesOnlyWhatWasNotUsedLately() {
        SplittableRandom random = new SplittableRandom(SEED);
        try (LogChunkStore store = open(options("cache"))) {
            int puts = 0;
            for (int step = 0; step < 6 * VALUES; step++) {
                double skewed = Math.pow(random.nextDouble(), 3);
                int number = (int) (3 * VALUES * skewed);
                if (get(store, key(number)).isEmpty()) {
                    put(store, number, 1);
                    puts++;
                }
                if (step % 10 == 0) {
                    assertThat(get(store, key(number)))
                            .as("seed %d step %d", SEED, step)
                            .isPresent();
                }
            }
            assertThat(store.traffic().moved()).isPositive();
            assertThat(store.stats().evicted()).isPositive();
            assertThat(store.stats().entries()).isEqualTo(puts - store.stats().evicted());
            assertThat(store.stats().entries()).isGreaterThan(VALUES / 10 * 9);
            assertThat(store.stats().refused()).isZero();
        }
    }
}
