package io.kvtier.codec.exact;

import static io.kvtier.codec.error.CorruptChunkException.check;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdException;
import io.kvtier.codec.error.CorruptChunkException;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Writes and reads the record of one layer: a head of 12 bytes, then its bytes raw or, where that
 * is smaller, as byte planes behind zstd.
 *
 * <table>
 * <caption>Record</caption>
 * <tr><td>0</td><td>method u8</td><td>0 raw, 1 byte planes + zstd</td></tr>
 * <tr><td>1</td><td>elementBytes u8</td><td>1, 2 or 4</td></tr>
 * <tr><td>2</td><td>reserved u16</td><td>0</td></tr>
 * <tr><td>4</td><td>rawBytes u32</td><td></td></tr>
 * <tr><td>8</td><td>codedBytes u32</td><td></td></tr>
 * <tr><td>12</td><td>data</td><td>codedBytes</td></tr>
 * </table>
 *
 * <p>Reusable, not thread-safe; holds heap scratch of about twice the layer.
 */
public final class LayerCoder {
    private static final int HEAD_BYTES = 12;
    private static final int RAW = 0;
    private static final int PLANES = 1;
    private static final int LEVEL = 3; // docs/codec.md, "Exact chunks", says what others cost
    private static final ValueLayout.OfInt U32 =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private byte[] planes = new byte[0];
    private byte[] coded = new byte[0];

    /**
     * Appends the record of a layer.
     *
     * @param raw its bytes, all of the array
     * @param elementBytes 1, 2 or 4, a divisor of their number
     */
    public void encode(byte[] raw, int elementBytes, ByteArrayOutputStream out) {
        planes = reserve(planes, raw.length);
        coded = reserve(coded, Math.toIntExact(Zstd.compressBound(raw.length)));
        split(raw, elementBytes);
        long size = Zstd.compressByteArray(coded, 0, coded.length, planes, 0, raw.length, LEVEL);
        boolean smaller = size < raw.length;
        int bytes = smaller ? (int) size : raw.length;
        ByteBuffer head = ByteBuffer.allocate(HEAD_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        head.put((byte) (smaller ? PLANES : RAW)).put((byte) elementBytes).putShort((short) 0);
        head.putInt(raw.length).putInt(bytes);
        out.writeBytes(head.array());
        out.write(smaller ? coded : raw, 0, bytes);
    }

    /**
     * Reads the record at an offset of a segment.
     *
     * @param raw receives the layer's bytes, as many as the array has: what the geometry says
     * @return the offset behind the record
     * @throws CorruptChunkException for any record but one of so many bytes
     */
    public long decode(MemorySegment segment, long at, byte[] raw) {
        long left = segment.byteSize() - at;
        check(left >= HEAD_BYTES, "bytes of a layer's record", HEAD_BYTES + " or more", left);
        int method = segment.get(ValueLayout.JAVA_BYTE, at);
        int elementBytes = segment.get(ValueLayout.JAVA_BYTE, at + 1);
        int reserved = segment.get(U16, at + 2);
        long rawBytes = Integer.toUnsignedLong(segment.get(U32, at + 4));
        long codedBytes = Integer.toUnsignedLong(segment.get(U32, at + 8));
        check(method == RAW || method == PLANES, "layer's method", "0 or 1", method);
        check(
                elementBytes == 1 || elementBytes == 2 || elementBytes == 4,
                "layer's elementBytes",
                "1, 2 or 4",
                elementBytes);
        check(reserved == 0, "layer's reserved field", 0, reserved);
        check(rawBytes == raw.length, "layer's rawBytes", raw.length, rawBytes);
        check(
                rawBytes % elementBytes == 0,
                "layer's rawBytes",
                "a multiple of elementBytes " + elementBytes,
                rawBytes);
        left -= HEAD_BYTES;
        check(codedBytes <= left, "layer's codedBytes", "at most " + left, codedBytes);
        long data = at + HEAD_BYTES;
        if (method == RAW) {
            check(codedBytes == rawBytes, "layer's codedBytes", rawBytes, codedBytes);
            MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, data, raw, 0, raw.length);
        } else {
            decompress(segment, data, (int) codedBytes, raw.length);
            join(raw, elementBytes);
        }
        return data + codedBytes;
    }

    /** One zstd frame into {@link #planes}, which never takes more than the layer's bytes. */
    private void decompress(MemorySegment segment, long at, int codedBytes, int rawBytes) {
        coded = reserve(coded, codedBytes);
        planes = reserve(planes, rawBytes);
        MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, at, coded, 0, codedBytes);
        long frame;
        long size;
        try {
            frame = Zstd.findFrameCompressedSize(coded, 0, codedBytes);
            size = Zstd.decompressByteArray(planes, 0, rawBytes, coded, 0, codedBytes);
        } catch (ZstdException e) {
            throw new CorruptChunkException(
                    "layer's zstd frame",
                    "one of " + rawBytes + " bytes",
                    "broken: " + e.getMessage());
        }
        check(frame == codedBytes, "bytes of a layer's zstd frame", codedBytes, frame);
        check(size == rawBytes, "bytes that a layer's zstd frame holds", rawBytes, size);
    }

    private void split(byte[] raw, int elementBytes) {
        int count = raw.length / elementBytes;
        for (int plane = 0; plane < elementBytes; plane++) {
            int to = plane * count;
            for (int i = 0; i < count; i++) {
                planes[to + i] = raw[i * elementBytes + plane];
            }
        }
    }

    private void join(byte[] raw, int elementBytes) {
        int count = raw.length / elementBytes;
        for (int plane = 0; plane < elementBytes; plane++) {
            int from = plane * count;
            for (int i = 0; i < count; i++) {
                raw[i * elementBytes + plane] = planes[from + i];
            }
        }
    }

    private static byte[] reserve(byte[] scratch, int bytes) {
        return scratch.length < bytes ? new byte[bytes] : scratch;
    }
}
