package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Namespace;
import java.nio.ByteBuffer;

/**
 * Descriptor command of a DoPut: what the frames that follow are put under.
 *
 * @param durability before a put is acknowledged
 * @param copies nodes that must have reached it
 * @param ttlMillis after which the chunks expire, from when the node has them; 0 = as the node
 *     keeps the namespace
 */
public record PutCommand(Persistence durability, int copies, Namespace namespace, long ttlMillis) {
    /** The longest time to live: a thousand years. */
    public static final long TTL_MILLIS_MAX = 1000L * 365 * 24 * 3600 * 1000;

    static final int TYPE = 1;

    /** Set in the byte of durability where a time to live follows the copies. */
    private static final int TIMED = 1 << 7;

    /** Checks the count of copies and the time. */
    public PutCommand {
        check(copies >= 1 && copies <= 16, "copies", copies, "1..16");
        check(
                ttlMillis >= 0 && ttlMillis <= TTL_MILLIS_MAX,
                "ttlMillis",
                ttlMillis,
                "0.." + TTL_MILLIS_MAX);
    }

    /** Of chunks that live as long as the node keeps their namespace. */
    public PutCommand(Persistence durability, int copies, Namespace namespace) {
        this(durability, copies, namespace, 0);
    }

    /** Bytes of the command. */
    public byte[] toBytes() {
        byte[] canonical = namespace.toBytes();
        boolean timed = ttlMillis > 0;
        ByteBuffer out = Wire.begin(TYPE, (timed ? 14 : 6) + canonical.length);
        out.put((byte) (durability.ordinal() | (timed ? TIMED : 0))).put((byte) copies);
        if (timed) {
            out.putLong(ttlMillis);
        }
        return out.putInt(canonical.length).put(canonical).array();
    }

    /** Reads a command; refuses any other bytes. */
    public static PutCommand parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "PutCommand",
                in -> {
                    int first = Wire.u8(in);
                    Persistence durability = Persistence.of(first & ~TIMED);
                    int copies = Wire.u8(in);
                    boolean timed = (first & TIMED) != 0;
                    long ttlMillis = timed ? in.getLong() : 0;
                    check(!timed || ttlMillis > 0, "ttlMillis", ttlMillis, "1 or more, as said");
                    int length = in.getInt();
                    check(length == in.remaining(), "namespace bytes", length, in.remaining());
                    Namespace namespace = Namespace.parse(in);
                    in.position(in.limit());
                    return new PutCommand(durability, copies, namespace, ttlMillis);
                });
    }
}
