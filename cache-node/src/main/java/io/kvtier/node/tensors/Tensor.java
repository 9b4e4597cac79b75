package io.kvtier.node.tensors;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;

/**
 * One array of a safetensors file: C order, little-endian.
 *
 * @param name of the array
 * @param dtype as the format spells it: {@code F16}, {@code BF16}, {@code F32}, {@code I8}, {@code
 *     I32}
 * @param shape of the array
 * @param data its bytes, lent by whoever made the tensor
 */
public record Tensor(String name, String dtype, List<Integer> shape, MemorySegment data) {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Checks that bytes and shape agree. */
    public Tensor {
        shape = List.copyOf(shape);
        long bytes = elementBytes(dtype);
        for (int size : shape) {
            check(size >= 0, "shape of '" + name + "'", shape, "sizes of 0 to 2^31 - 1");
            check(
                    size == 0 || bytes <= Long.MAX_VALUE / size,
                    "shape of '" + name + "'",
                    shape,
                    "fewer than 2^63 bytes");
            bytes *= size;
        }
        check(data.byteSize() == bytes, "bytes of '" + name + "'", data.byteSize(), bytes);
    }

    /** A copy of an F32 tensor's elements; refuses other types. */
    public float[] floats() {
        check(dtype.equals("F32"), "dtype of '" + name + "'", dtype, "F32");
        float[] out = new float[Math.toIntExact(data.byteSize() / Float.BYTES)];
        MemorySegment.copy(data, FLOAT, 0, out, 0, out.length);
        return out;
    }

    /** Bytes of one element. */
    static int elementBytes(String dtype) {
        return switch (dtype) {
            case "I8", "U8", "BOOL" -> 1;
            case "F16", "BF16", "I16", "U16" -> 2;
            case "F32", "I32", "U32" -> 4;
            case "F64", "I64", "U64" -> 8;
            default -> throw unknown(dtype);
        };
    }

    private static RuntimeException unknown(String dtype) {
        return new io.kvtier.codec.error.InvalidRequestException(
                "tensor dtype is '" + dtype + "', expected F16, BF16, F32, I8, I32 or alike");
    }
}
