package io.kvtier.storage;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/**
 * The name of a stored chunk: a scope (16 bytes, who may see it) and a chunk key (32 bytes).
 *
 * <p>An immutable value, ordered as unsigned bytes, scope first. The bytes live in fields, so that
 * lookups neither copy nor follow an array; the order lets hash tables survive keys that were
 * chosen to collide.
 */
public final class StoreKey implements Comparable<StoreKey> {
    /** Bytes of a scope. */
    public static final int SCOPE_BYTES = 16;

    /** Bytes of a chunk key. */
    public static final int KEY_BYTES = 32;

    /** Bytes of both together. */
    public static final int BYTES = SCOPE_BYTES + KEY_BYTES;

    private final long scope0;
    private final long scope1;
    private final long key0;
    private final long key1;
    private final long key2;
    private final long key3;

    private StoreKey(ByteBuffer bytes) {
        scope0 = bytes.getLong();
        scope1 = bytes.getLong();
        key0 = bytes.getLong();
        key1 = bytes.getLong();
        key2 = bytes.getLong();
        key3 = bytes.getLong();
    }

    /**
     * Makes a key from its two parts, which are copied.
     *
     * @throws InvalidRequestException if a part has not its exact length
     */
    public static StoreKey of(byte[] scope, byte[] key) {
        if (scope.length != SCOPE_BYTES || key.length != KEY_BYTES) {
            throw new InvalidRequestException(
                    "a store key is a scope of 16 bytes and a key of 32, got "
                            + scope.length
                            + " and "
                            + key.length);
        }
        return new StoreKey(ByteBuffer.allocate(BYTES).put(scope).put(key).flip());
    }

    /**
     * Reads scope ‖ key from the next 48 bytes of a buffer, whose position advances.
     *
     * @throws InvalidRequestException if fewer bytes remain
     */
    public static StoreKey read(ByteBuffer source) {
        if (source.remaining() < BYTES) {
            throw new InvalidRequestException(
                    "a store key needs " + BYTES + " bytes, got " + source.remaining());
        }
        StoreKey key = new StoreKey(source.slice().order(ByteOrder.BIG_ENDIAN));
        source.position(source.position() + BYTES);
        return key;
    }

    /** Writes scope ‖ key as 48 bytes, whatever the order of the buffer. */
    public void write(ByteBuffer target) {
        target.slice()
                .order(ByteOrder.BIG_ENDIAN)
                .putLong(scope0)
                .putLong(scope1)
                .putLong(key0)
                .putLong(key1)
                .putLong(key2)
                .putLong(key3);
        target.position(target.position() + BYTES);
    }

    /** One of its six words of eight bytes, big-endian, scope first. */
    public long word(int index) {
        return switch (index) {
            case 0 -> scope0;
            case 1 -> scope1;
            case 2 -> key0;
            case 3 -> key1;
            case 4 -> key2;
            case 5 -> key3;
            default -> throw new IndexOutOfBoundsException(index);
        };
    }

    /** A copy of the scope. */
    public byte[] scope() {
        return ByteBuffer.allocate(SCOPE_BYTES).putLong(scope0).putLong(scope1).array();
    }

    /** A copy of the chunk key. */
    public byte[] key() {
        return ByteBuffer.allocate(KEY_BYTES)
                .putLong(key0)
                .putLong(key1)
                .putLong(key2)
                .putLong(key3)
                .array();
    }

    @Override
    public int compareTo(StoreKey other) {
        int order = Long.compareUnsigned(scope0, other.scope0);
        order = order != 0 ? order : Long.compareUnsigned(scope1, other.scope1);
        order = order != 0 ? order : Long.compareUnsigned(key0, other.key0);
        order = order != 0 ? order : Long.compareUnsigned(key1, other.key1);
        order = order != 0 ? order : Long.compareUnsigned(key2, other.key2);
        return order != 0 ? order : Long.compareUnsigned(key3, other.key3);
    }

    @Override
    public boolean equals(@Nullable Object object) {
        return object instanceof StoreKey other
                && key0 == other.key0
                && key1 == other.key1
                && key2 == other.key2
                && key3 == other.key3
                && scope0 == other.scope0
                && scope1 == other.scope1;
    }

    @Override
    public int hashCode() {
        return Long.hashCode(key0 ^ scope0);
    }

    /** The first 8 hex digits of the chunk key: all that a log may show of it. */
    @Override
    public String toString() {
        return HexFormat.of().toHexDigits((int) (key0 >>> 32));
    }
}
