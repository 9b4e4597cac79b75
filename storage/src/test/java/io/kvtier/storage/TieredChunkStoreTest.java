package io.kvtier.storage;

import java.nio.file.Path;
import java.time.InstantSource;

class TieredChunkStoreTest extends ChunkStoreContract {
    @Override
    ChunkStore create(BlobPool pool, Path folder) {
        return new TieredChunkStore(
                new HotTier(pool, new HotTierOptions(BYTES_MAX / 4)),
                new RocksChunkStore(
                        pool,
                        RocksStoreOptions.of(folder, BYTES_MAX),
                        NanoClock.system(),
                        InstantSource.system()));
    }

    @Override
    Durability durability() {
        return Durability.DISK;
    }
}
