package io.kvtier.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;

/**
 * Readers retain while evictions release: the memory of what they hold must not be reused.
 *
 * <p>Every value is one word repeated, released memory is overwritten, and the tier is so small
 * that every put evicts: a reference that is counted wrongly shows as a wrong word within
 * milliseconds.
 */
class HotTierStressTest {
    private static final long NANOS = Duration.ofSeconds(2).toNanos();

    /** On a busy machine it takes longer to see enough, up to this. */
    private static final long NANOS_MAX = Duration.ofSeconds(60).toNanos();

    private static final int HITS_MIN = 1_000;
    private static final int VALUE_BYTES = 16_384;
    private static final int KEYS = 12;

    private final LongAdder hits = new LongAdder();

    @Test
    void open_whileEvicting_neverReadsReusedMemory() throws Exception {
        NanoClock clock = NanoClock.system();
        try (BlobPool pool = TestChunks.pool(1L << 20);
                HotTier tier =
                        new HotTier(
                                pool, HotTierOptions.ofBytesMax(6 * 17_000), NanoClock.system())) {
            long start = clock.nanoTime();
            BooleanSupplier goesOn =
                    () -> {
                        long nanos = clock.nanoTime() - start;
                        return nanos < NANOS || (hits.sum() <= HITS_MIN && nanos < NANOS_MAX);
                    };
            List<Callable<Void>> actors = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                int seed = i;
                actors.add(
                        () -> {
                            SplittableRandom random = new SplittableRandom(seed);
                            while (goesOn.getAsBoolean()) {
                                write(tier, pool, random);
                            }
                            return null;
                        });
                actors.add(
                        () -> {
                            SplittableRandom random = new SplittableRandom(100 + seed);
                            while (goesOn.getAsBoolean()) {
                                read(tier, random);
                            }
                            return null;
                        });
            }
            try (ExecutorService threads = Executors.newFixedThreadPool(actors.size())) {
                for (Future<Void> done : threads.invokeAll(actors)) {
                    done.get();
                }
            }
            assertThat(hits.sum()).isGreaterThan(HITS_MIN);
            assertThat(tier.stats().evicted()).isPositive();
            assertThat(tier.stats().shrunk()).isPositive();
            tier.close();
            assertThat(pool.outstandingBytes()).isZero();
        }
    }

    private static void write(HotTier tier, BlobPool pool, SplittableRandom random) {
        int index = random.nextInt(KEYS);
        // Every other value can be cut, so that readers meet that, too.
        ChunkMeta meta =
                index % 2 == 0
                        ? TestChunks.meta(index, 1, VALUE_BYTES)
                        : TestChunks.cuttable(index, VALUE_BYTES / 4, VALUE_BYTES);
        try (WritableBlob target = pool.allocate(VALUE_BYTES)) {
            for (long i = 0; i < VALUE_BYTES; i += Long.BYTES) {
                target.segment().set(ValueLayout.JAVA_LONG, i, word(index));
            }
            try (Blob value = target.seal()) {
                var _ = tier.put(TestChunks.key(index), meta, value, Durability.MEMORY);
            }
        }
        if (random.nextInt(4) == 0) {
            var _ = tier.remove(TestChunks.key(random.nextInt(KEYS)));
        }
    }

    private void read(HotTier tier, SplittableRandom random) {
        int index = random.nextInt(KEYS);
        Optional<StoredChunk> opened = tier.open(TestChunks.key(index));
        if (opened.isPresent()) {
            try (StoredChunk chunk = opened.get()) {
                MemorySegment segment = chunk.blob().segment();
                if (segment.byteSize() != chunk.meta().bytes()) {
                    throw new AssertionError("meta and bytes do not belong together");
                }
                for (long i = 0; i < segment.byteSize(); i += Long.BYTES) {
                    if (segment.get(ValueLayout.JAVA_LONG, i) != word(index)) {
                        throw new AssertionError("wrong word at byte " + i + " of key " + index);
                    }
                }
                hits.increment();
            }
        }
    }

    private static long word(int index) {
        return 0x0101_0101_0101_0101L * (index + 1);
    }
}
