package io.kvtier.codec.method;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.io.ByteArrayOutputStream;
import java.util.BitSet;

/** Grows a little-endian section of what a stage's decoder has to know. Not thread-safe. */
public final class SideWriter {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /** Appends a byte. */
    public void u8(int value) {
        out.write(value);
    }

    /** Appends two bytes. */
    public void u16(int value) {
        out.write(value);
        out.write(value >>> 8);
    }

    /** Appends four bytes. */
    public void u32(int value) {
        u16(value);
        u16(value >>> 16);
    }

    /** Appends an unsigned number, seven bits a byte, low ones first. */
    public void varint(int value) {
        int rest = value;
        while ((rest & ~0x7f) != 0) {
            out.write((rest & 0x7f) | 0x80);
            rest >>>= 7;
        }
        out.write(rest);
    }

    /** Appends the nearest half and returns it: what the decoder will compute with. */
    @CanIgnoreReturnValue
    public float f16(float value) {
        short bits = Float.floatToFloat16(value);
        u16(bits);
        return Float.float16ToFloat(bits);
    }

    /** Appends a float. */
    public void f32(float value) {
        u32(Float.floatToRawIntBits(value));
    }

    /** Appends {@code size} bits, eight a byte. */
    public void bits(BitSet set, int size) {
        for (int at = 0; at < size; at += 8) {
            int b = 0;
            for (int i = 0; i < Math.min(8, size - at); i++) {
                b |= set.get(at + i) ? 1 << i : 0;
            }
            out.write(b);
        }
    }

    /** Appends bytes behind their count. */
    public void bytes(byte[] data) {
        varint(data.length);
        out.writeBytes(data);
    }

    /** What was appended. */
    public byte[] toBytes() {
        return out.toByteArray();
    }
}
