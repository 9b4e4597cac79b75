package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * Body of the action {@code retain}: how long the node is to keep chunks that it holds.
 *
 * @param ttlMillis with {@link Verb#EXPIRE}: from now on, 0 = without end; otherwise 0
 * @param namespace digest
 * @param keys of the chunks
 */
public record RetentionCommand(Verb verb, long ttlMillis, Digest namespace, List<Digest> keys) {
    static final int TYPE = 16;

    /** What to do; the ordinal is its byte on the wire. */
    public enum Verb {
        /** Keep them on disk, whole, until they are unpinned. All or none of them. */
        PIN,
        /** End that. */
        UNPIN,
        /** Set the time after which they are misses. */
        EXPIRE,
        /** Remove them now; not those that are pinned. */
        EVICT
    }

    /** Copies the keys and checks the time. */
    public RetentionCommand {
        keys = List.copyOf(keys);
        check(
                ttlMillis >= 0 && ttlMillis <= PutCommand.TTL_MILLIS_MAX,
                "ttlMillis",
                ttlMillis,
                "0.." + PutCommand.TTL_MILLIS_MAX);
        check(verb == Verb.EXPIRE || ttlMillis == 0, "ttlMillis", ttlMillis, "0 with " + verb);
    }

    /** Bytes of the command. */
    public byte[] toBytes() {
        ByteBuffer out = Wire.begin(TYPE, 10 + Digest.BYTES + 4 + keys.size() * Digest.BYTES);
        out.put((byte) verb.ordinal()).put((byte) 0).putLong(ttlMillis);
        namespace.write(out);
        Wire.writeKeys(out, keys);
        return out.array();
    }

    /** Reads a command; refuses any other bytes. */
    public static RetentionCommand parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "RetentionCommand",
                in -> {
                    int verb = Wire.u8(in);
                    check(verb < Verb.values().length, "verb", verb, "0..3");
                    Wire.reserved(in, 1, "RetentionCommand");
                    long ttlMillis = in.getLong();
                    Digest namespace = Digest.read(in);
                    return new RetentionCommand(
                            Verb.values()[verb],
                            ttlMillis,
                            namespace,
                            Wire.readKeys(in, "RetentionCommand"));
                });
    }
}
