package io.kvtier.codec.identity;

import io.kvtier.codec.error.InvalidRequestException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * 32 bytes of SHA-256, as a value: namespaces, chunk keys, profiles and encodings are named by one.
 * The four longs hold the bytes in order, each little-endian.
 */
public record Digest(long a, long b, long c, long d) {
    /** Bytes of a digest. */
    public static final int BYTES = 32;

    /** All zeros: "none". */
    public static final Digest ZERO = new Digest(0, 0, 0, 0);

    /** Takes the next 32 bytes of {@code buffer}, moving its position. */
    public static Digest read(ByteBuffer buffer) {
        ByteBuffer bytes = buffer.slice(buffer.position(), BYTES).order(ByteOrder.LITTLE_ENDIAN);
        buffer.position(buffer.position() + BYTES);
        return new Digest(bytes.getLong(0), bytes.getLong(8), bytes.getLong(16), bytes.getLong(24));
    }

    /** Takes exactly 32 bytes. */
    public static Digest of(byte[] bytes) {
        InvalidRequestException.check(bytes.length == BYTES, "digest bytes", bytes.length, BYTES);
        return read(ByteBuffer.wrap(bytes));
    }

    /** SHA-256 of the parts, one after the other. */
    public static Digest sha256(byte[]... parts) {
        MessageDigest sha = newSha256();
        for (byte[] part : parts) {
            sha.update(part);
        }
        return of(sha.digest());
    }

    /** SHA-256 of the buffer's remaining bytes; its position stays. */
    public static Digest sha256(ByteBuffer bytes) {
        MessageDigest sha = newSha256();
        sha.update(bytes.duplicate());
        return of(sha.digest());
    }

    /** Parses 64 hexadecimal digits. */
    public static Digest parse(String hex) {
        InvalidRequestException.check(
                hex.length() == 2 * BYTES && hex.chars().allMatch(HexFormat::isHexDigit),
                "digest",
                "'" + hex + "'",
                "64 hexadecimal digits");
        return of(HexFormat.of().parseHex(hex));
    }

    /** Appends the 32 bytes. */
    public void write(ByteBuffer buffer) {
        ByteOrder order = buffer.order();
        buffer.order(ByteOrder.LITTLE_ENDIAN).putLong(a).putLong(b).putLong(c).putLong(d);
        buffer.order(order);
    }

    /** A new array of the 32 bytes. */
    public byte[] toBytes() {
        byte[] out = new byte[BYTES];
        write(ByteBuffer.wrap(out));
        return out;
    }

    /** The first 8 hexadecimal digits: enough for a person, all that logs may hold of a key. */
    public String brief() {
        return toString().substring(0, 8);
    }

    @Override
    public String toString() {
        return HexFormat.of().formatHex(toBytes());
    }

    private static MessageDigest newSha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
