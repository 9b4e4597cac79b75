package io.kvtier.codec.identity;

import io.kvtier.codec.error.InvalidRequestException;

/** Element type of a tensor; {@link #code} is its byte in formats. */
public enum Dtype {
    F16(2),
    BF16(2),
    F32(4);

    private static final Dtype[] VALUES = values();

    private final int bytes;

    Dtype(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** The byte that stands for it. */
    public int code() {
        return ordinal();
    }

    /** The type of a byte, refusing others. */
    public static Dtype of(int code) {
        InvalidRequestException.check(
                code >= 0 && code < VALUES.length, "dtype", code, "0 (f16), 1 (bf16) or 2 (f32)");
        return VALUES[code];
    }

    /** One element's bits (the low 2 or all 4 bytes) as a float, exactly. */
    public float toFloat(int bits) {
        return switch (this) {
            case F16 -> Float.float16ToFloat((short) bits);
            case BF16 -> Float.intBitsToFloat(bits << 16);
            case F32 -> Float.intBitsToFloat(bits);
        };
    }

    /** The nearest value's bits, ties to even. */
    public int fromFloat(float value) {
        return switch (this) {
            case F16 -> Float.floatToFloat16(value) & 0xffff;
            case BF16 -> toBf16(value);
            case F32 -> Float.floatToRawIntBits(value);
        };
    }

    private static int toBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (bits >>> 16) | 0x40; // keep it a NaN when its payload is cut
        }
        return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
    }
}
