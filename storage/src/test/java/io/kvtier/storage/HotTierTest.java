package io.kvtier.storage;

import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class HotTierTest extends ChunkStoreContract {
    @Override
    protected ChunkStore create(BlobPool pool, Path folder) {
        return new HotTier(pool, HotTierOptions.ofBytesMax(BYTES_MAX), NanoClock.system());
    }

    @Override
    protected Durability durability() {
        return Durability.MEMORY;
    }

    @Test
    void put_disk_isRefused() {
        assertThatThrownBy(() -> TestChunks.put(store, pool, key(1), meta(1, 1), Durability.DISK))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("DISK");
    }

    @Test
    void put_largerThanBudget_isOverloadedAndEvictsNothing() {
        assertThat(put(key(1), meta(1, 1))).isInstanceOf(PutOutcome.Stored.class);

        assertThatThrownBy(() -> put(key(2), meta(2, 1, BYTES_MAX)))
                .isInstanceOf(OverloadedException.class)
                .hasMessageContaining("bytesMax=" + BYTES_MAX);

        assertThat(store.find(key(1))).isPresent();
    }

    @Test
    void open_sharesMemoryWithThePut_withoutCopying() {
        ChunkMeta meta = meta(1, 1);
        try (Blob value = TestChunks.value(pool, meta)) {
            assertThat(store.put(key(1), meta, value, Durability.MEMORY)).isNotNull();
            try (StoredChunk chunk = store.open(key(1)).orElseThrow()) {
                assertThat(chunk.blob().segment().address()).isEqualTo(value.segment().address());
            }
        }
    }

    @Test
    void allocate_poolFull_takesFromTheTierBeforeItRefuses() {
        try (BlobPool small = TestChunks.pool(64 << 10);
                HotTier tier =
                        new HotTier(
                                small, HotTierOptions.ofBytesMax(1L << 30), NanoClock.system())) {
            for (int i = 0; i < 20; i++) {
                assertThat(TestChunks.put(tier, small, key(i), meta(i, 1, 4096), Durability.MEMORY))
                        .isInstanceOf(PutOutcome.Stored.class);
            }
            assertThat(tier.find(key(19))).isPresent();
            assertThat(tier.stats().evicted()).isPositive();

            List<WritableBlob> inFlight = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                inFlight.add(small.allocate(4096));
            }
            assertThatThrownBy(() -> small.allocate(4096)).isInstanceOf(OverloadedException.class);
            assertThat(tier.stats().entries()).isZero();
            inFlight.forEach(WritableBlob::close);
        }
    }

    @Test
    void put_overBudget_takesLastPartsBeforeWholeValues() {
        HotTierOptions options = HotTierOptions.ofBytesMax(20L * 4 * 4096);
        try (HotTier tier = new HotTier(pool, options, () -> 0)) {
            for (int i = 0; i < 30; i++) {
                ChunkMeta meta = TestChunks.cuttable(i, 4096, 2 * 4096, 4 * 4096);
                assertThat(TestChunks.put(tier, pool, key(i), meta, Durability.MEMORY))
                        .isInstanceOf(PutOutcome.Stored.class);
            }
            assertThat(tier.stats().evicted()).isZero();
            assertThat(tier.stats().shrunk()).isPositive();
            assertThat(tier.stats().entries()).isEqualTo(30);
            assertThat(tier.stats().bytes()).isLessThanOrEqualTo(options.bytesMax());
            assertThat(tier.find(key(0)).orElseThrow().quality()).isLessThan(3);
            assertThat(tier.find(key(29)).orElseThrow().quality()).isEqualTo(3);
            for (int i = 0; i < 30; i++) {
                try (StoredChunk chunk = tier.open(key(i)).orElseThrow()) {
                    long bytes = chunk.meta().bytes();
                    assertThat(chunk.blob().bytes()).isEqualTo(bytes);
                    assertThat(bytes)
                            .isEqualTo(new long[] {4096, 8192, 16384}[chunk.meta().quality() - 1]);
                }
            }
            assertThat(pool.outstandingBytes()).isLessThanOrEqualTo(options.bytesMax());
        }
        assertThat(pool.outstandingBytes()).isZero();
    }

    @Test
    void put_overBudget_cutKeepsTheFirstBytes() {
        ChunkMeta meta = TestChunks.cuttable(7, 5000, 20_000);
        try (HotTier tier = new HotTier(pool, HotTierOptions.ofBytesMax(40_000), () -> 0);
                Blob expected = TestChunks.value(pool, meta)) {
            assertThat(TestChunks.put(tier, pool, key(1), meta, Durability.MEMORY)).isNotNull();
            assertThat(TestChunks.put(tier, pool, key(2), meta, Durability.MEMORY)).isNotNull();
            try (StoredChunk chunk = tier.open(key(1)).orElseThrow()) {
                assertThat(chunk.meta()).isEqualTo(meta.cutAt(0));
                assertThat(chunk.blob().segment().mismatch(expected.segment().asSlice(0, 5000)))
                        .isEqualTo(-1);
            }
            assertThat(TestChunks.put(tier, pool, key(1), meta, Durability.MEMORY))
                    .isInstanceOf(PutOutcome.Replaced.class);
        }
    }

    @Test
    void put_overBudget_whatIsOpenStaysWhole() {
        ChunkMeta meta = TestChunks.cuttable(7, 4096, 20_000);
        try (HotTier tier = new HotTier(pool, HotTierOptions.ofBytesMax(60_000), () -> 0)) {
            assertThat(TestChunks.put(tier, pool, key(1), meta, Durability.MEMORY)).isNotNull();
            try (StoredChunk open = tier.open(key(1)).orElseThrow()) {
                for (int i = 2; i < 5; i++) {
                    assertThat(TestChunks.put(tier, pool, key(i), meta, Durability.MEMORY))
                            .isNotNull();
                }
                assertThat(open.blob().bytes()).isEqualTo(20_000);
                TestChunks.assertSound(meta, open.blob());
            }
            assertThat(tier.stats().shrunk()).isPositive();
        }
        assertThat(pool.outstandingBytes()).isZero();
    }

    @Test
    void put_partsElsewhere_goesWholeInstead() {
        ChunkMeta meta = TestChunks.cuttable(7, 4096, 20_000);
        try (HotTier tier = new HotTier(pool, HotTierOptions.ofBytesMax(50_000), () -> 0)) {
            for (int i = 0; i < 5; i++) {
                try (Blob value = TestChunks.value(pool, meta)) {
                    assertThat(tier.put(key(i), meta, value, 2)).isNotNull();
                }
            }
            assertThat(tier.stats().shrunk()).isZero();
            assertThat(tier.stats().evicted()).isPositive();
        }
    }

    /** Cutting must not leave memory in pieces of which none holds a whole value. */
    @Test
    void put_poolAsLargeAsTheTier_findsRoomForWholeValues() {
        try (BlobPool small = TestChunks.pool(64L * 7 * 4096);
                HotTier tier =
                        new HotTier(small, HotTierOptions.ofBytesMax(48L * 7 * 4096), () -> 0)) {
            for (int i = 0; i < 2000; i++) {
                ChunkMeta meta = TestChunks.cuttable(i, 3 * 4096, 4 * 4096, 7 * 4096);
                assertThat(TestChunks.put(tier, small, key(i), meta, Durability.MEMORY))
                        .isInstanceOf(PutOutcome.Stored.class);
            }
            assertThat(tier.stats().entries()).isGreaterThan(90);
            assertThat(tier.stats().refused()).isZero();
        }
    }

    /** Readers want all parts: after some puts in place of cut values, values go whole again. */
    @Test
    void put_inPlaceOfWhatWasCut_teachesToGiveUpWholeValues() {
        AtomicLong nanos = new AtomicLong();
        HotTierOptions options = HotTierOptions.ofBytesMax(40L * 4 * 4096);
        try (HotTier tier = new HotTier(pool, options, nanos::get)) {
            long shrunk = 0;
            for (int round = 0; round < 200; round++) {
                nanos.addAndGet(10_000_000_000L);
                for (int i = 0; i < 60; i++) {
                    // The first 20 come back each round, and are put again unless they are whole.
                    int index = i < 20 ? i : 1000 + 100 * round + i;
                    ChunkMeta meta = TestChunks.cuttable(index, 4096, 4 * 4096);
                    if (tier.find(key(index)).map(ChunkMeta::quality).orElse(0) < 2) {
                        PutOutcome _ =
                                TestChunks.put(tier, pool, key(index), meta, Durability.MEMORY);
                    } else {
                        tier.open(key(index)).orElseThrow().close();
                    }
                }
                if (round == 100) {
                    shrunk = tier.stats().shrunk();
                }
            }
            long later = tier.stats().shrunk() - shrunk;
            assertThat(shrunk).isPositive();
            assertThat(later).isLessThan(shrunk);
        }
    }

    /** Chains of three, used and put at random: none may lose a parent before its child. */
    @Test
    void put_overBudget_takesTailsFirst() {
        AtomicLong nanos = new AtomicLong();
        Random random = new Random(11);
        List<StoreKey> chains = new ArrayList<>();
        try (HotTier tier = new HotTier(pool, HotTierOptions.ofBytesMax(200_000), nanos::get)) {
            for (int step = 0; step < 3000; step++) {
                nanos.addAndGet(random.nextLong(20_000_000_000L));
                boolean again = chains.size() > 3 && random.nextInt(4) == 0;
                int chain = again ? random.nextInt(chains.size() / 3) : chains.size() / 3;
                int length = 1 + random.nextInt(3);
                for (int depth = 2; depth >= 0; depth--) {
                    if (!again) {
                        chains.add(3 * chain, key(3 * chain + depth));
                    }
                    if (again && depth >= length) {
                        continue;
                    }
                    StoreKey key = chains.get(3 * chain + (again ? depth : 0));
                    Optional<StoredChunk> held = tier.open(key);
                    if (held.isPresent()) {
                        held.get().close();
                    } else {
                        PutOutcome _ =
                                TestChunks.put(tier, pool, key, chunk(step), Durability.MEMORY);
                    }
                }
                for (int c = 0; c < chains.size(); c += 3) {
                    for (int depth = 1; depth < 3; depth++) {
                        if (tier.find(chains.get(c + depth)).isPresent()) {
                            assertThat(tier.find(chains.get(c + depth - 1)))
                                    .as("parent of depth %s in chain %s", depth, c / 3)
                                    .isPresent();
                        }
                    }
                }
            }
            assertThat(tier.stats().evicted()).isGreaterThan(1000);
            assertThat(tier.stats().shrunk()).isGreaterThan(1000);
        }
    }

    private static ChunkMeta chunk(int encoding) {
        return TestChunks.cuttable(encoding, 4000, 8000, 12_000);
    }

    @Test
    void touch_chain_leavesItsHeadForLast() {
        try (HotTier tier = new HotTier(pool, new HotTierOptions(40_000, 0), () -> 0)) {
            List<StoreKey> chain = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                chain.add(key(i));
                assertThat(put(tier, i)).isNotNull();
            }
            tier.touch(chain);
            for (int i = 4; i < 7; i++) {
                assertThat(put(tier, i)).isNotNull();
            }
            assertThat(tier.prefix(chain)).isNotEmpty().hasSizeLessThan(4);
            assertThat(tier.find(key(3))).isEmpty();
        }
    }

    private PutOutcome put(HotTier tier, int index) {
        return TestChunks.put(tier, pool, key(index), meta(index, 1, 8000), Durability.MEMORY);
    }
}
