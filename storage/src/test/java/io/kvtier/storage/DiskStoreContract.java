package io.kvtier.storage;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** What every {@link ChunkStore} promises that keeps its values across a restart. */
public abstract class DiskStoreContract extends ChunkStoreContract {
    @Override
    protected abstract ChunkStore create(BlobPool pool, Path folder);

    @Override
    protected Durability durability() {
        return Durability.DISK;
    }

    protected void reopen() {
        store.close();
        store = create(pool, folder);
    }

    protected void fill() {
        for (int i = 0; i < FITTING; i++) {
            assertThat(put(key(i), meta(i, 1))).isInstanceOf(PutOutcome.Stored.class);
        }
    }

    @Test
    void reopen_afterClose_holdsEverything() {
        fill();
        assertThat(put(key(0), meta(0, 2))).isInstanceOf(PutOutcome.Replaced.class);
        assertThat(store.remove(key(1))).isTrue();

        reopen();

        assertThat(get(store, key(0))).contains(meta(0, 2));
        assertThat(store.find(key(1))).isEmpty();
        for (int i = 2; i < FITTING; i++) {
            assertThat(get(store, key(i))).contains(meta(i, 1));
        }
        assertThat(put(key(2), meta(2, 1))).isInstanceOf(PutOutcome.AlreadyPresent.class);
        assertThat(store.stats().entries()).isEqualTo(FITTING - 1);
    }
}
