package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Answer to a lookup: the chunks held, from the first key on, without a hole.
 *
 * @param bytesPerSecond what the node thinks it can send to this client, 0 unknown
 * @param chunks one for each matched key, in order
 */
public record LookupReply(long bytesPerSecond, List<ChunkDirectory> chunks) {
    static final int TYPE = 4;

    /** Copies the chunks. */
    public LookupReply {
        chunks = List.copyOf(chunks);
        check(bytesPerSecond >= 0, "bytesPerSecond", bytesPerSecond, "0 or more");
    }

    /** Bytes of the reply. */
    public byte[] toBytes() {
        int bytes = chunks.stream().mapToInt(ChunkDirectory::byteSize).sum();
        ByteBuffer out = Wire.begin(TYPE, 12 + bytes);
        out.putInt(chunks.size()).putLong(bytesPerSecond);
        chunks.forEach(chunk -> out.put(chunk.toBytes()));
        return out.array();
    }

    /** Reads a reply; refuses any other bytes. */
    public static LookupReply parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "LookupReply",
                in -> {
                    int matched = in.getInt();
                    check(matched >= 0 && matched <= Wire.KEYS_MAX, "matched", matched, "0..4096");
                    long rate = in.getLong();
                    List<ChunkDirectory> chunks = new ArrayList<>();
                    for (int i = 0; i < matched; i++) {
                        chunks.add(ChunkDirectory.read(in));
                    }
                    return new LookupReply(rate, chunks);
                });
    }
}
