package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Body of the action {@code put-profile}: a piece of a profile, or all of it.
 *
 * @param id SHA-256 of the whole profile
 * @param total bytes of the whole profile
 * @param offset of this piece
 * @param bytes of this piece, lent
 */
public record ProfilePiece(Digest id, long total, long offset, ByteBuffer bytes) {
    static final int TYPE = 10;

    private static final int MAGIC = 0x3150564b; // "KVP1": the body is a whole profile

    /** Checks ranges. */
    public ProfilePiece {
        check(
                offset >= 0 && total >= 1 && offset <= total - bytes.remaining(),
                "profile piece",
                offset + "+" + bytes.remaining(),
                "within " + total);
    }

    /** Bytes of the message. */
    public byte[] toBytes() {
        ByteBuffer out = Wire.begin(TYPE, Digest.BYTES + 16 + bytes.remaining());
        id.write(out);
        return out.putLong(total).putLong(offset).put(bytes.duplicate()).array();
    }

    /** Reads a piece, or a whole profile that is sent as it is. */
    public static ProfilePiece parse(ByteBuffer body) {
        ByteBuffer file = body.slice().order(ByteOrder.LITTLE_ENDIAN);
        if (file.remaining() >= 4 && file.getInt(0) == MAGIC) {
            return new ProfilePiece(Digest.sha256(file), file.remaining(), 0, file);
        }
        return Wire.parse(
                body,
                TYPE,
                "ProfilePiece",
                in -> {
                    Digest id = Digest.read(in);
                    long total = in.getLong();
                    long offset = in.getLong();
                    ByteBuffer piece = in.slice();
                    in.position(in.limit());
                    return new ProfilePiece(id, total, offset, piece);
                });
    }
}
