package io.kvtier.codec.wire;

import io.kvtier.codec.error.InvalidRequestException;
import java.nio.ByteBuffer;

/** Body of the action {@code control}: something that only the leader of the voters can do. */
public sealed interface ControlRequest permits Heartbeat, MemberCommand {
    /** Bytes of the request. */
    byte[] toBytes();

    /** Reads a request of either type; refuses any other bytes. */
    static ControlRequest parse(ByteBuffer bytes) {
        int type = Wire.type(bytes);
        return switch (type) {
            case Heartbeat.TYPE -> Heartbeat.parse(bytes);
            case MemberCommand.TYPE -> MemberCommand.parse(bytes);
            default ->
                    throw new InvalidRequestException(
                            "control request type is "
                                    + type
                                    + ", expected "
                                    + Heartbeat.TYPE
                                    + " or "
                                    + MemberCommand.TYPE);
        };
    }
}
