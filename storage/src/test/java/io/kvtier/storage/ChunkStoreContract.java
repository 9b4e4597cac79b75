package io.kvtier.storage;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.storage.PutOutcome.AlreadyPresent;
import io.kvtier.storage.PutOutcome.KeptOther;
import io.kvtier.storage.PutOutcome.Replaced;
import io.kvtier.storage.PutOutcome.Stored;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What every {@link ChunkStore} promises; each implementation runs it, and none leaks. */
public abstract class ChunkStoreContract {
    /** Values that fit into every store at once. */
    protected static final int FITTING = 16;

    /** Budget that {@link #create} gives to a store: about 40 values. */
    protected static final long BYTES_MAX = 1L << 20;

    @TempDir protected Path folder;
    protected BlobPool pool = TestChunks.pool(32L << 20);
    protected ChunkStore store;

    /** A store of {@link #BYTES_MAX} that this class closes. */
    protected abstract ChunkStore create(BlobPool pool, Path folder) throws IOException;

    /** The strongest durability that the store offers. */
    protected abstract Durability durability();

    @BeforeEach
    protected void createStore() throws IOException {
        store = create(pool, folder);
    }

    @AfterEach
    protected void closeStore() {
        store.close();
        assertThat(pool.outstandingBytes()).isZero();
        pool.close();
    }

    protected PutOutcome put(StoreKey key, ChunkMeta meta) {
        return TestChunks.put(store, pool, key, meta, durability());
    }

    @Test
    void open_afterPut_isTheSameBytes() {
        ChunkMeta meta = meta(1, 2);

        assertThat(put(key(1), meta)).isEqualTo(new Stored(meta));

        assertThat(store.find(key(1))).contains(meta);
        assertThat(get(store, key(1))).contains(meta);
        assertThat(store.stats().hits()).isEqualTo(1);
    }

    @Test
    void open_unknownKey_isMiss() {
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(Stored.class);

        assertThat(store.find(key(2))).isEmpty();
        assertThat(get(store, key(2))).isEmpty();
        assertThat(store.find(key(9, 1))).as("the same chunk in another scope").isEmpty();
        assertThat(get(store, key(9, 1))).isEmpty();
    }

    @Test
    void open_valuesOfManySizes_areTheSameBytes() {
        long[] sizes = {1, 7, 4095, 4096, 4097, 65_536, 300_001};
        for (int i = 0; i < sizes.length; i++) {
            ChunkMeta meta = meta(i, 1, sizes[i]);
            assertThat(put(key(i), meta)).isEqualTo(new Stored(meta));
        }
        for (int i = 0; i < sizes.length; i++) {
            assertThat(get(store, key(i))).contains(meta(i, 1, sizes[i]));
        }
    }

    @Test
    void put_sameEncodingAgain_isAlreadyPresent() {
        ChunkMeta better = meta(1, 3);
        assertThat(put(key(1), better)).isEqualTo(new Stored(better));

        assertThat(put(key(1), better)).isEqualTo(new AlreadyPresent(better));
        assertThat(put(key(1), meta(1, 2))).isEqualTo(new AlreadyPresent(better));

        assertThat(get(store, key(1))).contains(better);
    }

    @Test
    void put_moreParts_replaces() {
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(Stored.class);

        assertThat(put(key(1), meta(1, 2))).isEqualTo(new Replaced(meta(1, 2)));
        assertThat(put(key(1), meta(2, 3, 5_000))).isEqualTo(new Replaced(meta(2, 3, 5_000)));

        assertThat(get(store, key(1))).contains(meta(2, 3, 5_000));
        assertThat(store.stats().replaced()).isEqualTo(2);
    }

    @Test
    void put_otherEncodingNotBetter_keepsTheFirst() {
        assertThat(put(key(1), meta(1, 2))).isInstanceOf(Stored.class);

        assertThat(put(key(1), meta(2, 2))).isEqualTo(new KeptOther(meta(1, 2)));
        assertThat(put(key(1), meta(3, 1))).isEqualTo(new KeptOther(meta(1, 2)));

        assertThat(get(store, key(1))).contains(meta(1, 2));
        assertThat(store.stats().keptOther()).isEqualTo(2);
    }

    @Test
    void put_lengthThatLies_isRefused() {
        ChunkMeta meta = meta(1, 1, 100);
        try (Blob value = TestChunks.value(pool, meta(1, 1, 99))) {
            assertThatThrownBy(() -> store.put(key(1), meta, value, durability()))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("99")
                    .hasMessageContaining("100");
        }
        assertThat(store.find(key(1))).isEmpty();
    }

    @Test
    void put_lendsTheBlob_whichItsOwnerMayCloseAtOnce() {
        ChunkMeta meta = meta(1, 1);
        Blob value = TestChunks.value(pool, meta);
        assertThat(store.put(key(1), meta, value, durability())).isInstanceOf(Stored.class);

        TestChunks.assertSound(meta, value);
        value.close();

        assertThat(get(store, key(1))).contains(meta);
    }

    @Test
    void remove_key_isGoneButOpenReadersFinish() {
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(Stored.class);

        try (StoredChunk chunk = store.open(key(1)).orElseThrow()) {
            assertThat(store.remove(key(1))).isTrue();
            assertThat(store.find(key(1))).isEmpty();
            assertThat(store.open(key(1))).isEmpty();
            TestChunks.assertSound(chunk.meta(), chunk.blob());
        }
        assertThat(store.remove(key(1))).isFalse();
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(Stored.class);
    }

    @Test
    void prefix_chainWithHole_endsBeforeIt() {
        List<StoreKey> chain = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            chain.add(key(i));
            if (i != 3) {
                assertThat(put(key(i), meta(i, 1, 500))).isInstanceOf(Stored.class);
            }
        }

        assertThat(store.prefix(chain))
                .containsExactly(meta(0, 1, 500), meta(1, 1, 500), meta(2, 1, 500));
        assertThat(store.prefix(List.of())).isEmpty();
        assertThat(store.prefix(List.of(key(99), key(0)))).isEmpty();
    }

    @Test
    void put_overBudget_dropsTheLeastRecentlyOpened() {
        for (int i = 0; i < FITTING; i++) {
            assertThat(put(key(i), meta(i, 1))).isInstanceOf(Stored.class);
        }
        assertThat(get(store, key(0))).isPresent();
        assertThat(store.find(key(1))).as("looking up does not count as use").isPresent();
        int count = FITTING;
        while (store.find(key(1)).isPresent()) {
            assertThat(put(key(count), meta(count, 1))).isInstanceOf(Stored.class);
            assertThat(++count).isLessThan(1000);
        }

        assertThat(store.find(key(0))).as("the one that was opened").isPresent();
        assertThat(get(store, key(count - 1))).contains(meta(count - 1, 1));
        assertThat(store.stats().bytes()).isLessThanOrEqualTo(store.stats().bytesMax());
    }

    @Test
    void everyCall_afterClose_isUnavailable() {
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(Stored.class);
        store.close();

        assertThatThrownBy(() -> store.find(key(1))).isInstanceOf(UnavailableException.class);
        assertThatThrownBy(() -> store.open(key(1))).isInstanceOf(UnavailableException.class);
        assertThatThrownBy(() -> store.remove(key(1))).isInstanceOf(UnavailableException.class);
        assertThatThrownBy(() -> put(key(2), meta(2, 1))).isInstanceOf(UnavailableException.class);
    }

    /** Readers, writers, removals and evictions at once: every byte that is read is right. */
    @Test
    void manyThreads_allOperations_neverSeeAWrongByte() throws Exception {
        long seed = 20_261_124;
        List<Callable<Void>> actors = new ArrayList<>();
        for (int thread = 0; thread < 4; thread++) {
            SplittableRandom random = new SplittableRandom(seed + thread);
            actors.add(() -> act(random, 600));
        }
        try (ExecutorService threads = Executors.newFixedThreadPool(actors.size())) {
            for (Future<Void> done : threads.invokeAll(actors)) {
                done.get();
            }
        }
        assertThat(store.stats().quarantined()).as("seed %d", seed).isZero();
        assertThat(store.stats().hits()).isPositive();
    }

    private Void act(SplittableRandom random, int steps) {
        for (int step = 0; step < steps; step++) {
            StoreKey key = key(random.nextInt(80));
            switch (random.nextInt(8)) {
                case 0 -> {
                    var _ = store.remove(key);
                }
                case 1, 2, 3 -> {
                    int encoding = random.nextInt(3);
                    int quality = 1 + random.nextInt(3);
                    ChunkMeta meta = meta(encoding, quality, 3_000L * quality + 17L * encoding);
                    var _ = TestChunks.put(store, pool, key, meta, Durability.MEMORY);
                }
                case 4 -> {
                    Optional<ChunkMeta> meta = store.find(key);
                    assertThat(meta.map(ChunkMeta::tokens).orElse(256)).isEqualTo(256);
                }
                default -> {
                    var _ = get(store, key);
                }
            }
        }
        return null;
    }
}
