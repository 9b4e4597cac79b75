package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Namespace;
import java.nio.ByteBuffer;

/**
 * Descriptor command of a DoPut: what the frames that follow are put under.
 *
 * @param durability before a put is acknowledged
 * @param copies nodes that must have reached it
 */
public record PutCommand(Persistence durability, int copies, Namespace namespace) {
    static final int TYPE = 1;

    /** Checks the count of copies. */
    public PutCommand {
        check(copies >= 1 && copies <= 16, "copies", copies, "1..16");
    }

    /** Bytes of the command. */
    public byte[] toBytes() {
        byte[] canonical = namespace.toBytes();
        return Wire.begin(TYPE, 6 + canonical.length)
                .put((byte) durability.ordinal())
                .put((byte) copies)
                .putInt(canonical.length)
                .put(canonical)
                .array();
    }

    /** Reads a command; refuses any other bytes. */
    public static PutCommand parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "PutCommand",
                in -> {
                    Persistence durability = Persistence.of(Wire.u8(in));
                    int copies = Wire.u8(in);
                    int length = in.getInt();
                    check(length == in.remaining(), "namespace bytes", length, in.remaining());
                    Namespace namespace = Namespace.parse(in);
                    in.position(in.limit());
                    return new PutCommand(durability, copies, namespace);
                });
    }
}
