package io.kvtier.codec.method;

import static io.kvtier.codec.error.CorruptChunkException.check;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.BitSet;

/** Reads what a {@link SideWriter} wrote; beyond the end throws {@code CorruptChunkException}. */
public final class SideReader {
    private final ByteBuffer in;

    /** Reads lent bytes from the front. */
    public SideReader(byte[] bytes) {
        in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** A byte, 0..255. */
    public int u8() {
        expect(1);
        return in.get() & 0xff;
    }

    /** Two bytes, 0..65535. */
    public int u16() {
        expect(2);
        return in.getShort() & 0xffff;
    }

    /** Four bytes. */
    public int u32() {
        expect(4);
        return in.getInt();
    }

    /** An unsigned number of up to 31 bits. */
    public int varint() {
        int out = 0;
        for (int shift = 0; ; shift += 7) {
            int b = u8();
            check(shift < 28 || b < 8, "varint", "up to 31 bits", b);
            out |= (b & 0x7f) << shift;
            if (b < 0x80) {
                return out;
            }
        }
    }

    /** A finite half. */
    public float f16() {
        float value = Float.float16ToFloat((short) u16());
        check(Float.isFinite(value), "half", "a finite number", value);
        return value;
    }

    /** A finite float. */
    public float f32() {
        float value = Float.intBitsToFloat(u32());
        check(Float.isFinite(value), "float", "a finite number", value);
        return value;
    }

    /** That many bits. */
    public BitSet bits(int size) {
        BitSet out = new BitSet(size);
        for (int at = 0; at < size; at += 8) {
            int b = u8();
            for (int i = 0; i < 8; i++) {
                boolean one = ((b >>> i) & 1) != 0;
                check(at + i < size || !one, "bit behind a set's end", 0, 1);
                if (one) {
                    out.set(at + i);
                }
            }
        }
        return out;
    }

    /** Bytes behind their count. */
    public byte[] bytes() {
        int count = varint();
        expect(count);
        byte[] out = new byte[count];
        in.get(out);
        return out;
    }

    /** Refuses to go on unless so many bytes are left: before memory is allocated for them. */
    public void expect(long count) {
        check(in.remaining() >= count, "bytes left in a section", count, in.remaining());
    }

    /** Refuses what is left over. */
    public void end() {
        check(!in.hasRemaining(), "bytes left in a section", 0, in.remaining());
    }
}
