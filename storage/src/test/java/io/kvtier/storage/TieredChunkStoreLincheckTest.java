package io.kvtier.storage;

import java.util.Optional;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.StressOptions;
import org.junit.jupiter.api.Test;

/**
 * The tiered store behaves as a map from key to value, whatever its threads do in between.
 *
 * <p>The tiers are large enough to evict nothing, since an eviction is a miss that no map explains.
 */
@Param(name = "key", gen = IntGen.class, conf = "1:2")
@Param(name = "quality", gen = IntGen.class, conf = "1:3")
public class TieredChunkStoreLincheckTest {
    private static final long VALUE_BYTES = 64;
    private static final int MEMORY_KEY = 2;

    // Made thousands of times and never closed: hence small.
    private final BlobPool pool = new BlobPool(new BlobPoolOptions(1L << 16, 1L << 13, 0, false));
    private final FakeDiskStore cold = new FakeDiskStore(pool);
    private final HotTier hot =
            new HotTier(pool, HotTierOptions.ofBytesMax(1L << 16), NanoClock.system());
    private final TieredChunkStore store =
            new TieredChunkStore(hot, cold, TestChunks.retention(NanoClock.system()));

    /** What the put found, and the quality that is held after it. */
    @Operation
    public String putToDisk(@Param(name = "key") int key, @Param(name = "quality") int quality) {
        return put(key, quality, Durability.DISK);
    }

    /** Only for a key that is never cooled: what is in memory alone would be evicted by that. */
    @Operation
    public String putToMemory(@Param(name = "quality") int quality) {
        return put(MEMORY_KEY, quality, Durability.MEMORY);
    }

    /** Quality of the value that was read, 0 for a miss; fails if a byte of it is wrong. */
    @Operation
    public int open(@Param(name = "key") int key) {
        Optional<ChunkMeta> meta = TestChunks.get(store, TestChunks.key(key));
        return meta.map(ChunkMeta::quality).orElse(0);
    }

    @Operation
    public int find(@Param(name = "key") int key) {
        return store.find(TestChunks.key(key)).map(ChunkMeta::quality).orElse(0);
    }

    @Operation
    public boolean remove(@Param(name = "key") int key) {
        return store.remove(TestChunks.key(key));
    }

    /** Takes a value out of the hot tier: the next open reads it cold, shared, and promotes it. */
    @Operation
    public void cool(@Param(name = "key") int key) {
        if (key != MEMORY_KEY) {
            boolean _ = hot.remove(TestChunks.key(key));
        }
    }

    private String put(int key, int quality, Durability durability) {
        ChunkMeta meta = TestChunks.meta(1, quality, VALUE_BYTES);
        PutOutcome outcome = TestChunks.put(store, pool, TestChunks.key(key), meta, durability);
        return outcome.getClass().getSimpleName() + outcome.held().quality();
    }

    @Test
    void stress_anyInterleaving_isLinearizable() {
        new StressOptions()
                .iterations(20)
                .threads(2)
                .actorsPerThread(4)
                .invocationsPerIteration(150)
                .check(TieredChunkStoreLincheckTest.class);
    }
}
