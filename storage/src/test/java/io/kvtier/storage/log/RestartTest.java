package io.kvtier.storage.log;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.storage.BlobPool;
import io.kvtier.storage.Durability;
import io.kvtier.storage.NanoClock;
import io.kvtier.storage.TestChunks;
import java.io.IOException;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Starts of a log of 100,000 values: with its index, and after somebody has deleted that. */
class RestartTest {
    private static final int VALUES = 100_000;
    private static final long VALUE_BYTES = 100;
    private static final long INDEX_BYTES_MAX = 200;
    private static final long SEED = 20_261_124;

    @TempDir Path folder;

    private final BlobPool pool = TestChunks.pool(16L << 20);

    @AfterEach
    void closePool() {
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    private LogChunkStore open() {
        LogStoreOptions options = LogStoreOptions.of(folder, 256L << 20).withSegmentBytes(4L << 20);
        return new LogChunkStore(pool, options, Logs.surroundings());
    }

    @Test
    void reopen_manyValues_holdsThemAllInAFewBytesEach() throws IOException {
        try (LogChunkStore store = open()) {
            for (int number = 0; number < VALUES; number++) {
                var _ =
                        TestChunks.put(
                                store,
                                pool,
                                key(number),
                                meta(number, 1, VALUE_BYTES),
                                Durability.MEMORY);
            }
        }
        assertHoldsAll("with its index");
        Logs.deleteTree(folder.resolve("index"));
        assertHoldsAll("without its index");
        assertHoldsAll("with an index made again");
    }

    private void assertHoldsAll(String how) {
        SplittableRandom random = new SplittableRandom(SEED);
        NanoClock clock = NanoClock.system();
        long start = clock.nanoTime();
        try (LogChunkStore store = open()) {
            assertThat(get(store, key(VALUES / 2))).isPresent();
            long millis = (clock.nanoTime() - start) / 1_000_000;
            System.out.println("start " + how + ", to the first value: " + millis + " ms");
            assertThat(store.stats().entries()).isEqualTo(VALUES);
            assertThat(store.stats().quarantined()).isZero();
            assertThat(store.indexBytes() / VALUES)
                    .as("index bytes a value")
                    .isLessThanOrEqualTo(INDEX_BYTES_MAX);
            for (int i = 0; i < 500; i++) {
                int number = random.nextInt(VALUES);
                assertThat(get(store, key(number)))
                        .as("seed %d value %d", SEED, number)
                        .contains(meta(number, 1, VALUE_BYTES));
            }
        }
    }
}
