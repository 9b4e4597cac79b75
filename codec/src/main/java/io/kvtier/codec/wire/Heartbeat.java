package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.nio.ByteBuffer;
import java.util.List;

/**
 * A node's word that it serves, or that it is about to stop.
 *
 * @param cluster whose map the node knows, 0 = none
 * @param epoch of that map
 * @param leaving whether this is the last one for now
 * @param id of the node
 * @param endpoint of its Flight service
 * @param zone empty = none
 * @param weight its capacity
 */
public record Heartbeat(
        long cluster,
        long epoch,
        boolean leaving,
        String id,
        String endpoint,
        String zone,
        int weight)
        implements ControlRequest {
    static final int TYPE = 12;

    /** Checks the fields as those of the member that this is a word of. */
    public Heartbeat {
        check(epoch >= 0, "epoch", epoch, "0 or more");
        check(!endpoint.isEmpty(), "endpoint", "empty", "host:port");
        Member _ = new Member(id, endpoint, zone, weight, Member.State.UP, List.of(weight));
    }

    @Override
    public byte[] toBytes() {
        int names = 6 + id.length() + endpoint.length() + zone.length();
        ByteBuffer out = Wire.begin(TYPE, 20 + names);
        out.putLong(cluster).putLong(epoch).putShort((short) weight);
        out.put((byte) (leaving ? 1 : 0)).put((byte) 0);
        Member.writeName(out, id);
        Member.writeName(out, endpoint);
        Member.writeName(out, zone);
        return out.array();
    }

    /** Reads a heartbeat; refuses any other bytes. */
    static Heartbeat parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "Heartbeat",
                in -> {
                    long cluster = in.getLong();
                    long epoch = in.getLong();
                    int weight = Wire.u16(in);
                    int leaving = Wire.u8(in);
                    check(leaving <= 1, "leaving", leaving, "0 or 1");
                    Wire.reserved(in, 1, "Heartbeat");
                    return new Heartbeat(
                            cluster,
                            epoch,
                            leaving == 1,
                            Wire.readString(in),
                            Wire.readString(in),
                            Wire.readString(in),
                            weight);
                });
    }
}
