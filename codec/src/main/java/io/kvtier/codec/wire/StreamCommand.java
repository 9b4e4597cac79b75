package io.kvtier.codec.wire;

import io.kvtier.codec.identity.Digest;
import java.nio.ByteBuffer;

/** Descriptor command of a DoExchange: the namespace of the segments that will be asked for. */
public record StreamCommand(Digest namespace) {
    static final int TYPE = 5;

    /** Bytes of the command. */
    public byte[] toBytes() {
        ByteBuffer out = Wire.begin(TYPE, Digest.BYTES);
        namespace.write(out);
        return out.array();
    }

    /** Reads a command; refuses any other bytes. */
    public static StreamCommand parse(ByteBuffer bytes) {
        return Wire.parse(bytes, TYPE, "StreamCommand", in -> new StreamCommand(Digest.read(in)));
    }
}
