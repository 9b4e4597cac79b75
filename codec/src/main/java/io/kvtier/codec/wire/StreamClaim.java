package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.nio.ByteBuffer;

/**
 * What one of a client's streams has to bring by its deadline, so that a node can share its link.
 *
 * <p>Both counts begin with the stream: what was asked for so far, the request that carries them
 * included, and what is still to be asked for. The node takes off what it has sent.
 *
 * @param stream number, unique on its exchange; 0 = nothing is claimed
 * @param needBytes without which chunks are missing
 * @param wantBytes with everything that would be of use, at least as many
 */
public record StreamClaim(int stream, long needBytes, long wantBytes) {
    /** Of a client that says nothing. */
    public static final StreamClaim NONE = new StreamClaim(0, 0, 0);

    static final int BYTES = 20;

    /** Checks the counts. */
    public StreamClaim {
        check(
                needBytes >= 0 && needBytes <= wantBytes,
                "needBytes",
                needBytes,
                "0..wantBytes = " + wantBytes);
    }

    void write(ByteBuffer out) {
        out.putInt(stream).putLong(needBytes).putLong(wantBytes);
    }

    static StreamClaim read(ByteBuffer in) {
        return new StreamClaim(in.getInt(), in.getLong(), in.getLong());
    }
}
