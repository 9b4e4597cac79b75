package io.kvtier.codec.wire;

import io.kvtier.codec.error.InvalidRequestException;
import java.nio.ByteBuffer;

/** What a client says on a segment stream. */
public sealed interface StreamRequest permits SegmentRequest, CancelRequest {
    /** The client's number for the request, unique on its stream. */
    int request();

    /** Bytes of the message. */
    byte[] toBytes();

    /** Reads either message; refuses any other bytes. */
    static StreamRequest parse(ByteBuffer bytes) {
        int type = Wire.type(bytes);
        return switch (type) {
            case SegmentRequest.TYPE -> SegmentRequest.parse(bytes);
            case CancelRequest.TYPE -> CancelRequest.parse(bytes);
            default ->
                    throw new InvalidRequestException(
                            "stream message type is " + type + ", expected 6 or 7");
        };
    }
}
