package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import java.nio.ByteBuffer;

/**
 * What became of one frame of a DoPut.
 *
 * @param encodingId of the encoding that the node now holds under the key
 * @param durability reached
 * @param copies nodes that reached it
 * @param message why, in words, when it was rejected
 */
public record PutReply(
        Digest key,
        Digest encodingId,
        Status status,
        Persistence durability,
        int copies,
        String message) {
    static final int TYPE = 2;

    /** Outcome of a put; the ordinal is its byte on the wire. */
    public enum Status {
        STORED,
        /** The same encoding was there with as many rungs. */
        ALREADY_PRESENT,
        /** It holds more rungs than what was there. */
        REPLACED,
        /** Another encoding of the key was there, and stays. */
        KEPT_OTHER,
        /** Not stored: see the message. */
        REJECTED
    }

    /** Bytes of the reply. */
    public byte[] toBytes() {
        byte[] text = Wire.utf8(message);
        ByteBuffer out = Wire.begin(TYPE, 2 * Digest.BYTES + 6 + text.length);
        key.write(out);
        encodingId.write(out);
        out.put((byte) status.ordinal()).put((byte) durability.ordinal());
        out.put((byte) copies).put((byte) 0);
        Wire.writeString(out, text);
        return out.array();
    }

    /** Reads a reply; refuses any other bytes. */
    public static PutReply parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "PutReply",
                in -> {
                    Digest key = Digest.read(in);
                    Digest encodingId = Digest.read(in);
                    int status = Wire.u8(in);
                    check(status < Status.values().length, "put status", status, "0..4");
                    Persistence durability = Persistence.of(Wire.u8(in));
                    int copies = Wire.u8(in);
                    Wire.reserved(in, 1, "PutReply");
                    return new PutReply(
                            key,
                            encodingId,
                            Status.values()[status],
                            durability,
                            copies,
                            Wire.readString(in));
                });
    }
}
