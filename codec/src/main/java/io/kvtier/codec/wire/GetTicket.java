package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * Ticket of a DoGet, for clients that leave the planning to the node.
 *
 * @param namespace digest
 * @param deadlineNanos time left, 0 = none
 * @param bytesPerSecond the client's estimate of its link, 0 unknown
 * @param rungMax highest rung worth sending
 * @param keys in chain order
 */
public record GetTicket(
        Digest namespace, long deadlineNanos, long bytesPerSecond, int rungMax, List<Digest> keys) {
    static final int TYPE = 9;

    /** Checks ranges. */
    public GetTicket {
        keys = List.copyOf(keys);
        check(deadlineNanos >= 0, "deadlineNanos", deadlineNanos, "0 or more");
        check(bytesPerSecond >= 0, "bytesPerSecond", bytesPerSecond, "0 or more");
        check(rungMax >= 0 && rungMax <= 255, "rungMax", rungMax, "0..255");
    }

    /** Bytes of the ticket. */
    public byte[] toBytes() {
        ByteBuffer out = Wire.begin(TYPE, Digest.BYTES + 24 + keys.size() * Digest.BYTES);
        namespace.write(out);
        out.putLong(deadlineNanos).putLong(bytesPerSecond);
        out.put((byte) rungMax).put(new byte[3]);
        Wire.writeKeys(out, keys);
        return out.array();
    }

    /** Reads a ticket; refuses any other bytes. */
    public static GetTicket parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "GetTicket",
                in -> {
                    Digest namespace = Digest.read(in);
                    long deadline = in.getLong();
                    long rate = in.getLong();
                    int rungMax = Wire.u8(in);
                    Wire.reserved(in, 3, "GetTicket");
                    return new GetTicket(
                            namespace, deadline, rate, rungMax, Wire.readKeys(in, "GetTicket"));
                });
    }
}
