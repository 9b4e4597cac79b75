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
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * The node's own hot tier, with blocks of a few bytes or pages, by the clock of the trace.
 *
 * <p>A node answers a lookup, streams the prefix and takes the puts of what was computed. The
 * prefix is read before the puts, which protects it, and once more after them, and both go tails
 * first: so of one request the head is the last that was used, as every policy here assumes.
 */
final class TierCache implements BlockCache {
    private static final long PAGE = 4096;

    /** Of a whole block that can be cut: the parts are rounded to pages, as the pool does. */
    private static final int PAGES = 7;

    private static final byte[] SCOPE = new byte[StoreKey.SCOPE_BYTES];

    private final BlockShape shape;
    private final ChunkMeta meta;
    private final BlobPool pool;
    private final HotTier tier;
    private long nanos;
    private double distortion;

    /**
     * Blocks that are held whole or not at all.
     *
     * @param capacityBlocks that the tier holds at most
     * @param historyEntries as {@link HotTierOptions} has it; 0 for LRU
     */
    static TierCache whole(int capacityBlocks, int historyEntries, BlockShape shape) {
        int parts = shape.bytes().size();
        return new TierCache(capacityBlocks, historyEntries, shape, meta(parts, new long[] {8}));
    }

    /** Blocks that the tier may cut, within the bytes of so many whole ones. */
    static TierCache cutting(int capacityBlocks, BlockShape shape) {
        long[] cuts = new long[shape.bytes().size()];
        for (int i = 0; i < cuts.length; i++) {
            double share = (double) shape.bytes().get(i) / shape.fullBytes();
            cuts[i] = PAGE * Math.max(i + 1, Math.round(share * PAGES));
        }
        ChunkMeta meta = meta(cuts.length, cuts);
        return new TierCache(capacityBlocks, HotTierOptions.HISTORY_ENTRIES, shape, meta);
    }

    private static ChunkMeta meta(int parts, long[] cuts) {
        byte[] encodingId = new byte[ChunkMeta.ENCODING_ID_BYTES];
        long bytes = cuts[cuts.length - 1];
        return new ChunkMeta(encodingId, bytes, parts, 0, cuts, new byte[0]);
    }

    private TierCache(int capacityBlocks, int historyEntries, BlockShape shape, ChunkMeta meta) {
        this.shape = shape;
        this.meta = meta;
        long pages = Math.ceilDiv(meta.bytes(), PAGE) * PAGE;
        pool = new BlobPool(BlobPoolOptions.ofBytesMax(capacityBlocks * 2L * pages + (64 << 20)));
        long bytesMax;
        try (Blob value = value()) {
            bytesMax = capacityBlocks * HotTier.weight(meta, value);
        }
        tier = new HotTier(pool, new HotTierOptions(bytesMax, historyEntries), () -> nanos);
    }

    @Override
    public int serve(Trace.Request request) {
        nanos = TimeUnit.MILLISECONDS.toNanos(request.millis());
        long[] blocks = request.blocks();
        distortion = 0;
        int held = 0;
        while (held < blocks.length && serves(blocks[held])) {
            distortion += shape.distortionOf(parts(blocks[held]));
            held++;
        }
        read(blocks, held);
        for (int i = blocks.length - 1; i >= held; i--) {
            if (!serves(blocks[i]) || !read(blocks[i])) {
                put(blocks[i]);
            }
        }
        tier.touch(Arrays.stream(blocks, 0, held).mapToObj(TierCache::key).toList());
        return held;
    }

    @Override
    public double distortion() {
        return distortion;
    }

    private boolean serves(long block) {
        int parts = parts(block);
        return parts > 0 && shape.serves(parts);
    }

    private int parts(long block) {
        return tier.find(key(block)).map(ChunkMeta::quality).orElse(0);
    }

    private void put(long block) {
        try (Blob value = value()) {
            PutOutcome _ = tier.put(key(block), meta, value, Durability.MEMORY);
        }
    }

    /** Nobody reads its bytes. */
    private Blob value() {
        try (WritableBlob blob = pool.allocate(meta.bytes())) {
            return blob.seal();
        }
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
        pool.close();
    }
}
