package io.kvtier.codec.wire;

import io.kvtier.codec.identity.Digest;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * Body of the action {@code lookup}: which of these chunks, from the first on, does the node hold?
 *
 * @param namespace digest
 * @param keys in chain order
 */
public record LookupCommand(Digest namespace, List<Digest> keys) {
    /** Most keys of a lookup. */
    public static final int KEYS_MAX = Wire.KEYS_MAX;

    static final int TYPE = 3;

    /** Copies the keys. */
    public LookupCommand {
        keys = List.copyOf(keys);
    }

    /** Bytes of the command. */
    public byte[] toBytes() {
        ByteBuffer out = Wire.begin(TYPE, Digest.BYTES + 4 + keys.size() * Digest.BYTES);
        namespace.write(out);
        Wire.writeKeys(out, keys);
        return out.array();
    }

    /** Reads a command; refuses any other bytes. */
    public static LookupCommand parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "LookupCommand",
                in -> new LookupCommand(Digest.read(in), Wire.readKeys(in, "LookupCommand")));
    }
}
