package io.kvtier.codec.wire;

import java.nio.ByteBuffer;

/** Takes back a request of the same stream; what was already sent still arrives. */
public record CancelRequest(int request) implements StreamRequest {
    static final int TYPE = 7;

    @Override
    public byte[] toBytes() {
        return Wire.begin(TYPE, 4).putInt(request).array();
    }

    static CancelRequest parse(ByteBuffer bytes) {
        return Wire.parse(bytes, TYPE, "CancelRequest", in -> new CancelRequest(in.getInt()));
    }
}
