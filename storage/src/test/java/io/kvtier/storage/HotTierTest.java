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
                                TestChunks.put(
                                        tier, pool, key, meta(step, 1, 4000), Durability.MEMORY);
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
        }
    }
}
