package io.kvtier.storage;

import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class HotTierTest extends ChunkStoreContract {
    @Override
    protected ChunkStore create(BlobPool pool, Path folder) {
        return new HotTier(pool, new HotTierOptions(BYTES_MAX));
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
                HotTier tier = new HotTier(small, new HotTierOptions(1L << 30))) {
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
}
