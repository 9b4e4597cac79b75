package io.kvtier.benchmarks;

import io.kvtier.storage.Blob;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.BlobPoolOptions;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.Durability;
import io.kvtier.storage.HotTier;
import io.kvtier.storage.HotTierOptions;
import io.kvtier.storage.NanoClock;
import io.kvtier.storage.PutOutcome;
import io.kvtier.storage.Retention;
import io.kvtier.storage.RetentionOptions;
import io.kvtier.storage.RocksChunkStore;
import io.kvtier.storage.RocksStoreOptions;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.StoredChunk;
import io.kvtier.storage.TieredChunkStore;
import io.kvtier.storage.WritableBlob;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Nanoseconds of a hit in memory through the store of a node: open, look at its bytes, close. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class HotHitBenchmark {
    private static final int CHUNKS = 1 << 10;
    private static final int VALUE_BYTES = 64 << 10;

    private final StoreKey[] keys = new StoreKey[CHUNKS];
    private @Nullable BlobPool pool;
    private @Nullable TieredChunkStore store;
    private int next;

    /** Puts chunks of 64 KiB, all of which stay in memory. */
    @Setup
    public void setUp() throws IOException {
        Path folder = Files.createTempDirectory("kvtier-hot-hit");
        Retention retention =
                Retention.inMemory(RetentionOptions.ofPinnedBytesMax(0), NanoClock.system());
        BlobPool memory = new BlobPool(BlobPoolOptions.ofBytesMax(256L << 20));
        HotTier hot =
                new HotTier(
                        memory,
                        HotTierOptions.ofBytesMax(128L << 20),
                        NanoClock.system(),
                        retention.losses());
        RocksChunkStore cold =
                new RocksChunkStore(
                        memory,
                        RocksStoreOptions.of(folder, 64L << 20),
                        NanoClock.system(),
                        InstantSource.system(),
                        retention);
        pool = memory;
        store = new TieredChunkStore(hot, cold, retention);
        SplittableRandom random = new SplittableRandom(1);
        ChunkMeta meta =
                new ChunkMeta(
                        new byte[ChunkMeta.ENCODING_ID_BYTES],
                        VALUE_BYTES,
                        1,
                        256,
                        new long[] {VALUE_BYTES},
                        new byte[100]);
        for (int i = 0; i < CHUNKS; i++) {
            byte[] key = new byte[StoreKey.KEY_BYTES];
            random.nextBytes(key);
            keys[i] = StoreKey.of(new byte[StoreKey.SCOPE_BYTES], key);
            try (WritableBlob target = memory.allocate(VALUE_BYTES)) {
                target.segment().fill((byte) i);
                try (Blob value = target.seal()) {
                    PutOutcome _ = store().put(keys[i], meta, value, Durability.MEMORY);
                }
            }
        }
    }

    /** A hit. */
    @Benchmark
    public long open() {
        next = next + 1 & CHUNKS - 1;
        try (StoredChunk chunk = store().open(keys[next]).orElseThrow()) {
            return chunk.blob().segment().address() + chunk.meta().bytes();
        }
    }

    /** What a lookup asks of the store for each key. */
    @Benchmark
    public int find() {
        next = next + 1 & CHUNKS - 1;
        return store().find(keys[next]).orElseThrow().quality();
    }

    /** Checks that nothing leaked. */
    @TearDown
    public void tearDown() {
        store().close();
        if (pool != null) {
            pool.close();
        }
    }

    private TieredChunkStore store() {
        if (store == null) {
            throw new IllegalStateException("setUp was not run");
        }
        return store;
    }
}
