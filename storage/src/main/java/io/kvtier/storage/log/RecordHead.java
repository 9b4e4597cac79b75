package io.kvtier.storage.log;

import io.kvtier.storage.StoreKey;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.zip.CRC32C;

/**
 * The head of a record in a segment, little-endian; the body follows it, and zeros up to the next
 * multiple of {@link #ALIGN_BYTES}.
 *
 * <table>
 * <caption>Record head</caption>
 * <tr><th>offset</th><th>field</th><th>type</th></tr>
 * <tr><td>0</td><td>magic</td><td>u32, "KVTR"</td></tr>
 * <tr><td>4</td><td>kind</td><td>u32, see {@link Kind}</td></tr>
 * <tr><td>8</td><td>stamp</td><td>u64, random, the same in all records of a segment</td></tr>
 * <tr><td>16</td><td>segment</td><td>u32, where this record belongs</td></tr>
 * <tr><td>20</td><td>offset</td><td>u32, in that segment</td></tr>
 * <tr><td>24</td><td>headBytes</td><td>u32, this head with its checksum</td></tr>
 * <tr><td>28</td><td>bodyBytes</td><td>u32</td></tr>
 * <tr><td>32</td><td>payload</td><td>depends on the kind</td></tr>
 * <tr><td>end − 4</td><td>crc32c</td><td>u32, of all bytes before it</td></tr>
 * </table>
 *
 * <p>A record that lies anywhere but where it says is not valid: what a disk wrote to the wrong
 * place is seen. The stamp keeps a value from posing as a record where recovery has lost its way.
 *
 * @param payload between the fixed fields and the checksum, little-endian; not to be written to
 */
record RecordHead(Kind kind, int headBytes, int bodyBytes, ByteBuffer payload) {
    /** Records start at multiples of this, so that a torn sector spoils no record before it. */
    static final int ALIGN_BYTES = 512;

    /** Bytes before the payload. */
    static final int FIXED_BYTES = 32;

    /** The longest head of a chunk, or of deaths: a summary and its cuts, generously. */
    static final int HEAD_BYTES_MAX = 128 << 10;

    /** The longest head of a footer. */
    static final int FOOTER_BYTES_MAX = 32 << 20;

    private static final int MAGIC = 0x5254564B;
    private static final int CRC_BYTES = 4;

    /** What a record is. Ordinals are on disk: append only. */
    enum Kind {
        /** Starts a segment. */
        SEGMENT,
        /** Payload: key ‖ meta record; body: the value. */
        CHUNK,
        /** Payload: segment u64 and offset u64 of records that do not count any more. */
        DEATHS,
        /** Ends a segment. Payload: see {@link Footer}. */
        FOOTER
    }

    /** The bytes of a head, from position 0 to the limit. */
    static ByteBuffer encode(
            Kind kind, Segment segment, int offset, int bodyBytes, ByteBuffer... payload) {
        int headBytes = headBytes(payload);
        ByteBuffer head = ByteBuffer.allocate(headBytes).order(ByteOrder.LITTLE_ENDIAN);
        head.putInt(MAGIC)
                .putInt(kind.ordinal())
                .putLong(segment.stamp())
                .putInt(segment.id())
                .putInt(offset)
                .putInt(headBytes)
                .putInt(bodyBytes);
        for (ByteBuffer part : payload) {
            head.put(part.duplicate());
        }
        head.putInt(crc(head.duplicate().flip()));
        return head.flip();
    }

    /** Length of the head with such a payload. */
    static int headBytes(ByteBuffer... payload) {
        int bytes = FIXED_BYTES + CRC_BYTES;
        for (ByteBuffer part : payload) {
            bytes += part.remaining();
        }
        return bytes;
    }

    /** Bytes that a record takes in its segment. */
    static long recordBytes(long headBytes, long bodyBytes) {
        return align(headBytes + bodyBytes);
    }

    /** The next multiple of {@link #ALIGN_BYTES}. */
    static long align(long bytes) {
        return (bytes + ALIGN_BYTES - 1) & -ALIGN_BYTES;
    }

    /** Length of the head that starts here, or nothing if none does. */
    static Optional<Integer> announcedBytes(ByteBuffer source, Segment segment, long offset) {
        ByteBuffer head = source.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        int start = head.position();
        if (head.remaining() < FIXED_BYTES + CRC_BYTES
                || head.getInt(start) != MAGIC
                || head.getLong(start + 8) != segment.stamp()
                || head.getInt(start + 16) != segment.id()
                || head.getInt(start + 20) != offset) {
            return Optional.empty();
        }
        int kind = head.getInt(start + 4);
        int headBytes = head.getInt(start + 24);
        int bytesMax = kind == Kind.FOOTER.ordinal() ? FOOTER_BYTES_MAX : HEAD_BYTES_MAX;
        boolean sound =
                kind >= 0
                        && kind < Kind.values().length
                        && headBytes >= FIXED_BYTES + CRC_BYTES
                        && headBytes <= bytesMax;
        return sound ? Optional.of(headBytes) : Optional.empty();
    }

    /** The stamp of a head that may start here. */
    static long stamp(ByteBuffer source) {
        return source.duplicate().order(ByteOrder.LITTLE_ENDIAN).getLong(source.position() + 8);
    }

    /** The head that starts here, or nothing if it is not whole and sound. */
    static Optional<RecordHead> parse(ByteBuffer source, Segment segment, long offset) {
        int headBytes = announcedBytes(source, segment, offset).orElse(Integer.MAX_VALUE);
        if (headBytes > source.remaining()) {
            return Optional.empty();
        }
        ByteBuffer head = source.slice(source.position(), headBytes).order(ByteOrder.LITTLE_ENDIAN);
        int bodyBytes = head.getInt(28);
        int crc = crc(head.slice(0, headBytes - CRC_BYTES));
        if (bodyBytes < 0 || crc != head.getInt(headBytes - CRC_BYTES)) {
            return Optional.empty();
        }
        ByteBuffer payload = head.slice(FIXED_BYTES, headBytes - FIXED_BYTES - CRC_BYTES);
        return Optional.of(
                new RecordHead(
                        Kind.values()[head.getInt(4)],
                        headBytes,
                        bodyBytes,
                        payload.order(ByteOrder.LITTLE_ENDIAN)));
    }

    /** Bytes that this record takes in its segment. */
    long recordBytes() {
        return recordBytes(headBytes, bodyBytes);
    }

    /** The key of a chunk. */
    StoreKey key() {
        return StoreKey.read(payload.duplicate());
    }

    private static int crc(ByteBuffer bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }
}
