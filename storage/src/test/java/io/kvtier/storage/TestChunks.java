package io.kvtier.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;

/** Keys, metas and values whose every byte follows from a seed. */
public final class TestChunks {
    /** Value bytes that are not a multiple of a page or of a word. */
    public static final int BYTES = 20_003;

    private TestChunks() {}

    public static BlobPool pool(long bytesMax) {
        return new BlobPool(new BlobPoolOptions(bytesMax, 1L << 20, 1L << 20, true));
    }

    /** Pins up to 1 MiB, and remembers them until the end of the test. */
    public static Retention retention(NanoClock clock) {
        return Retention.inMemory(RetentionOptions.ofPinnedBytesMax(1L << 20), clock);
    }

    public static StoreKey key(long index) {
        return key(0, index);
    }

    public static StoreKey key(long tenant, long index) {
        ByteBuffer bytes = ByteBuffer.allocate(StoreKey.BYTES);
        bytes.putLong(tenant).putLong(~tenant);
        SplittableRandom random = new SplittableRandom(index);
        while (bytes.hasRemaining()) {
            bytes.putLong(random.nextLong());
        }
        return StoreKey.read(bytes.flip());
    }

    public static ChunkMeta meta(long encoding, int quality) {
        return meta(encoding, quality, BYTES);
    }

    /** The first byte of the encoding id is the encoding, the summary names all three. */
    public static ChunkMeta meta(long encoding, int quality, long bytes) {
        byte[] encodingId = new byte[ChunkMeta.ENCODING_ID_BYTES];
        ByteBuffer.wrap(encodingId).putLong(encoding);
        byte[] summary =
                ByteBuffer.allocate(20).putLong(encoding).putInt(quality).putLong(bytes).array();
        return new ChunkMeta(encodingId, bytes, quality, 256, new long[] {bytes}, summary);
    }

    /** A value of one part more at each offset; not checked by {@link #get} once it is cut. */
    public static ChunkMeta cuttable(long encoding, long... cuts) {
        byte[] encodingId = new byte[ChunkMeta.ENCODING_ID_BYTES];
        ByteBuffer.wrap(encodingId).putLong(encoding);
        return new ChunkMeta(
                encodingId, cuts[cuts.length - 1], cuts.length, 256, cuts, new byte[0]);
    }

    public static Blob value(BlobPool pool, ChunkMeta meta) {
        try (WritableBlob target = pool.allocate(meta.bytes())) {
            fill(target.segment(), seed(meta));
            return target.seal();
        }
    }

    public static PutOutcome put(
            ChunkStore store, BlobPool pool, StoreKey key, ChunkMeta meta, Durability durability) {
        try (Blob value = value(pool, meta)) {
            return store.put(key, meta, value, durability);
        }
    }

    /** Opens, checks every byte and closes. */
    public static Optional<ChunkMeta> get(ChunkStore store, StoreKey key) {
        Optional<StoredChunk> opened = store.open(key);
        if (opened.isEmpty()) {
            return Optional.empty();
        }
        try (StoredChunk chunk = opened.get()) {
            assertSound(chunk.meta(), chunk.blob());
            return Optional.of(chunk.meta());
        }
    }

    public static void assertSound(ChunkMeta meta, Blob blob) {
        assertThat(blob.bytes()).isEqualTo(meta.bytes());
        assertThat(firstDifference(blob.segment(), seed(meta))).isEqualTo(-1);
    }

    public static long seed(ChunkMeta meta) {
        return ByteBuffer.wrap(meta.encodingId()).getLong() * 31 + meta.quality();
    }

    public static void fill(MemorySegment target, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        long words = target.byteSize() / Long.BYTES * Long.BYTES;
        for (long i = 0; i < words; i += Long.BYTES) {
            target.set(ValueLayout.JAVA_LONG_UNALIGNED, i, random.nextLong());
        }
        for (long i = words; i < target.byteSize(); i++) {
            target.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
        }
    }

    public static long firstDifference(MemorySegment actual, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        long words = actual.byteSize() / Long.BYTES * Long.BYTES;
        for (long i = 0; i < words; i += Long.BYTES) {
            if (actual.get(ValueLayout.JAVA_LONG_UNALIGNED, i) != random.nextLong()) {
                return i;
            }
        }
        for (long i = words; i < actual.byteSize(); i++) {
            if (actual.get(ValueLayout.JAVA_BYTE, i) != (byte) random.nextInt()) {
                return i;
            }
        }
        return -1;
    }

    /** A clock that moves only when told. */
    public static final class ManualClock implements NanoClock {
        private final AtomicLong nanos = new AtomicLong();

        @Override
        public long nanoTime() {
            return nanos.get();
        }

        /** Moves on. */
        public void advance(Duration by) {
            nanos.addAndGet(by.toNanos());
        }
    }
}
