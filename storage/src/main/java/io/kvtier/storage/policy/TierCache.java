package io.kvtier.storage.policy;

import io.kvtier.storage.Blob;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.BlobPoolOptions;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.Durability;
import io.kvtier.storage.HotTier;
import io.kvtier.storage.HotTierOptions;
import io.kvtier.storage.PutOutcome;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.StoredChunk;
import io.kvtier.storage.WritableBlob;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * The node's own hot tier, with blocks of a few bytes, by the clock of the trace.
 *
 * <p>A node answers a lookup, streams the prefix and takes the puts of what was computed. The
 * prefix is read before the puts, which protects it, and once more after them, and both go tails
 * first: so of one request the head is the last that was used, as every policy here assumes.
 */
final class TierCache implements BlockCache {
    private static final int VALUE_BYTES = 8;
    private static final byte[] SCOPE = new byte[StoreKey.SCOPE_BYTES];

    private final ChunkMeta meta =
            new ChunkMeta(
                    new byte[ChunkMeta.ENCODING_ID_BYTES],
                    VALUE_BYTES,
                    1,
                    0,
                    new long[] {VALUE_BYTES},
                    new byte[0]);
    private final BlobPool pool;
    private final Blob value;
    private final HotTier tier;
    private long nanos;

    /**
     * @param capacityBlocks that the tier holds at most
     * @param historyEntries as {@link HotTierOptions} has it; 0 for LRU
     */
    TierCache(int capacityBlocks, int historyEntries) {
        pool = new BlobPool(BlobPoolOptions.ofBytesMax(1L << 20));
        WritableBlob blob = pool.allocate(VALUE_BYTES);
        value = blob.seal();
        long bytesMax = capacityBlocks * HotTier.weight(meta, value);
        tier = new HotTier(pool, new HotTierOptions(bytesMax, historyEntries), () -> nanos);
    }

    @Override
    public int serve(Trace.Request request) {
        nanos = TimeUnit.MILLISECONDS.toNanos(request.millis());
        long[] blocks = request.blocks();
        int held = 0;
        while (held < blocks.length && tier.find(key(blocks[held])).isPresent()) {
            held++;
        }
        read(blocks, held);
        for (int i = blocks.length - 1; i >= held; i--) {
            if (!read(blocks[i])) {
                PutOutcome _ = tier.put(key(blocks[i]), meta, value, Durability.MEMORY);
            }
        }
        read(blocks, held);
        return held;
    }

    private void read(long[] blocks, int count) {
        for (int i = count - 1; i >= 0; i--) {
            boolean _ = read(blocks[i]);
        }
    }

    private boolean read(long block) {
        Optional<StoredChunk> chunk = tier.open(key(block));
        chunk.ifPresent(StoredChunk::close);
        return chunk.isPresent();
    }

    private static StoreKey key(long block) {
        // A digest's bits are spread evenly, those of a number are not.
        ByteBuffer key = ByteBuffer.allocate(StoreKey.KEY_BYTES);
        key.putLong(block * 0x9E3779B97F4A7C15L).putLong(block * 0xC2B2AE3D27D4EB4FL);
        return StoreKey.of(SCOPE, key.putLong(block).array());
    }

    @Override
    public void close() {
        tier.close();
        value.close();
        pool.close();
    }
}
