package io.kvtier.storage.log;

import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.MetaRecord;
import io.kvtier.storage.StoreKey;
import java.nio.ByteBuffer;

/**
 * What a copy of a record is to be, before its checksums are known.
 *
 * @param meta of what is kept of the value
 * @param generation of the record that is copied: a copy is never newer than a put that came
 *     meanwhile
 * @param headBytes of the copy
 */
record CopyShape(StoreKey key, ChunkMeta meta, long generation, int headBytes) {
    static CopyShape of(StoreKey key, ChunkMeta meta, long generation) {
        int headBytes = RecordHead.headBytes(payload(key, new MetaRecord(meta, generation, 0)));
        return new CopyShape(key, meta, generation, headBytes);
    }

    /** The payload of the copy's head. */
    ByteBuffer payload(int valueCrc) {
        return payload(key, new MetaRecord(meta, generation, valueCrc));
    }

    int bodyBytes() {
        return (int) meta.bytes();
    }

    long recordBytes() {
        return RecordHead.recordBytes(headBytes, bodyBytes());
    }

    private static ByteBuffer payload(StoreKey key, MetaRecord record) {
        byte[] bytes = record.encode(key);
        ByteBuffer payload = ByteBuffer.allocate(StoreKey.BYTES + bytes.length);
        key.write(payload);
        return payload.put(bytes).flip();
    }
}
