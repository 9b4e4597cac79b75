package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Digest;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** The common shape of messages: type u8, version u8, fields, nothing behind them. */
final class Wire {
    /** Version of every message that this code reads and writes. */
    static final int VERSION = 1;

    /** Most keys of one message. */
    static final int KEYS_MAX = 4096;

    private static final int MESSAGE_BYTES_MAX = 16 << 10;

    private Wire() {}

    /** A little-endian buffer of exactly that size behind the message's first two bytes. */
    static ByteBuffer begin(int type, int fieldBytes) {
        return ByteBuffer.allocate(2 + fieldBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) type)
                .put((byte) VERSION);
    }

    /** Reads a message of one type by {@code read}, which must use up all bytes. */
    static <T> T parse(ByteBuffer bytes, int type, String name, Function<ByteBuffer, T> read) {
        ByteBuffer in = bytes.slice().order(ByteOrder.LITTLE_ENDIAN);
        try {
            int got = in.get();
            check(got == type, name + " type", got, type);
            int version = in.get();
            check(version == VERSION, name + " version", version, VERSION);
            T message = read.apply(in);
            check(!in.hasRemaining(), "bytes after " + name, in.remaining(), 0);
            return message;
        } catch (BufferUnderflowException | IndexOutOfBoundsException e) {
            throw new InvalidRequestException(
                    name + " ends after " + bytes.remaining() + " bytes, expected more");
        }
    }

    /** Type byte of a message, −1 when it is empty. */
    static int type(ByteBuffer bytes) {
        return bytes.hasRemaining() ? bytes.get(bytes.position()) : -1;
    }

    static int u8(ByteBuffer in) {
        return Byte.toUnsignedInt(in.get());
    }

    static int u16(ByteBuffer in) {
        return Short.toUnsignedInt(in.getShort());
    }

    static void reserved(ByteBuffer in, int bytes, String name) {
        for (int i = 0; i < bytes; i++) {
            byte got = in.get();
            check(got == 0, "reserved field of " + name, got, 0);
        }
    }

    static List<Digest> readKeys(ByteBuffer in, String name) {
        int count = in.getInt();
        check(count >= 0 && count <= KEYS_MAX, "keys of " + name, count, "0.." + KEYS_MAX);
        check(
                (long) count * Digest.BYTES <= in.remaining(),
                "bytes for the keys of " + name,
                in.remaining(),
                (long) count * Digest.BYTES);
        List<Digest> keys = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            keys.add(Digest.read(in));
        }
        return keys;
    }

    static void writeKeys(ByteBuffer out, List<Digest> keys) {
        out.putInt(keys.size());
        keys.forEach(key -> key.write(out));
    }

    /** UTF-8 of at most 16 KiB; a longer text is cut. */
    static byte[] utf8(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return bytes.length <= MESSAGE_BYTES_MAX
                ? bytes
                : text.substring(0, MESSAGE_BYTES_MAX / 4).getBytes(StandardCharsets.UTF_8);
    }

    static void writeString(ByteBuffer out, byte[] utf8) {
        out.putShort((short) utf8.length).put(utf8);
    }

    static String readString(ByteBuffer in) {
        int length = u16(in);
        check(length <= MESSAGE_BYTES_MAX, "string bytes", length, MESSAGE_BYTES_MAX);
        byte[] bytes = new byte[length];
        in.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
