package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * Answer to a {@link ControlRequest}.
 *
 * @param leader endpoint of the node that leads the voters, empty = not known at the moment
 * @param message why, in words, when it was refused
 * @param map of the cluster, unless the sender knows it already
 */
public record ControlReply(Status status, String leader, String message, Optional<ClusterMap> map) {
    static final int TYPE = 14;

    /** What became of a request; the ordinal is its byte on the wire. */
    public enum Status {
        DONE,
        /** Ask the leader, or again a little later when there is none. */
        NOT_LEADER,
        /** Cannot be done: see the message. */
        REFUSED
    }

    /** Bytes of the reply. */
    public byte[] toBytes() {
        byte[] text = Wire.utf8(message);
        byte[] mapped = map.map(ClusterMap::toBytes).orElse(new byte[0]);
        byte[] name = leader.getBytes(StandardCharsets.UTF_8);
        ByteBuffer out = Wire.begin(TYPE, 10 + name.length + text.length + mapped.length);
        out.put((byte) status.ordinal()).put((byte) 0);
        Wire.writeString(out, name);
        Wire.writeString(out, text);
        return out.putInt(mapped.length).put(mapped).array();
    }

    /** Reads a reply; refuses any other bytes. */
    public static ControlReply parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "ControlReply",
                in -> {
                    int status = Wire.u8(in);
                    check(status < Status.values().length, "control status", status, "0..2");
                    Wire.reserved(in, 1, "ControlReply");
                    String leader = Wire.readString(in);
                    String message = Wire.readString(in);
                    int length = in.getInt();
                    check(length == in.remaining(), "map bytes", length, in.remaining());
                    Optional<ClusterMap> map =
                            length == 0 ? Optional.empty() : Optional.of(ClusterMap.parse(in));
                    in.position(in.limit());
                    return new ControlReply(Status.values()[status], leader, message, map);
                });
    }
}
