package io.kvtier.node.storage;

import io.kvtier.storage.Blob;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.Durability;
import io.kvtier.storage.PutOutcome;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.StoredChunk;
import java.nio.ByteBuffer;
import java.util.SplittableRandom;

/** A store, with values that differ by their keys alone. */
final class StoreTarget implements Target {
    private final ChunkStore store;
    private final Blob value;

    /**
     * @param store closed with this
     * @param value of all puts
     */
    StoreTarget(ChunkStore store, Blob value) {
        this.store = store;
        this.value = value;
    }

    @Override
    public void put(int number, int version, boolean sync) {
        long[] cuts = {value.bytes()};
        byte[] encoding = new byte[ChunkMeta.ENCODING_ID_BYTES];
        ChunkMeta meta =
                new ChunkMeta(encoding, value.bytes(), version + 1, 256, cuts, new byte[200]);
        Durability durability = sync ? Durability.DISK : Durability.MEMORY;
        PutOutcome outcome = store.put(key(number), meta, value, durability);
        if (!(outcome instanceof PutOutcome.Stored || outcome instanceof PutOutcome.Replaced)) {
            throw new IllegalStateException("put of value " + number + " gave " + outcome);
        }
    }

    @Override
    public void get(int number) {
        try (StoredChunk chunk = store.open(key(number)).orElseThrow()) {
            if (chunk.blob().bytes() != value.bytes()) {
                throw new IllegalStateException("value " + number + " has another length");
            }
        }
    }

    /** Reads a value, if it is held. */
    boolean getIfHeld(int number) {
        try (StoredChunk chunk = store.open(key(number)).orElse(null)) {
            return chunk != null;
        }
    }

    static StoreKey key(int number) {
        SplittableRandom random = new SplittableRandom(number);
        ByteBuffer bytes = ByteBuffer.allocate(StoreKey.BYTES).putLong(1).putLong(2);
        while (bytes.hasRemaining()) {
            bytes.putLong(random.nextLong());
        }
        return StoreKey.read(bytes.flip());
    }

    @Override
    public void close() {
        store.close();
    }
}
