package io.kvtier.integration;

import io.kvtier.codec.identity.Dtype;
import io.kvtier.node.tensors.SafetensorsFile;
import io.kvtier.node.tensors.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Small caches in safetensors files: 2 layers, 300 tokens (a full chunk and a short one), 1 head.
 */
final class TensorFiles {
    private static final int TOKENS = 300;
    private static final List<Integer> SHAPE = List.of(2, TOKENS, 1, 16);
    private static final int ELEMENTS = 2 * TOKENS * 16;

    private TensorFiles() {}

    /** Gaussian keys and values of a dtype; or any bits, NaN and infinity among them. */
    static Path write(Path path, Dtype dtype, boolean anyBits) throws IOException {
        return write(path, dtype, anyBits, Map.of());
    }

    /** The same with more to say of the model. */
    static Path write(Path path, Dtype dtype, boolean anyBits, Map<String, String> more)
            throws IOException {
        Map<String, String> metadata = new HashMap<>();
        metadata.putAll(
                Map.of("model_sha256", "5a".repeat(32), "rope_theta", "10000", "q_heads", "2"));
        metadata.putAll(more);
        Random random = new Random(dtype.ordinal());
        ByteBuffer tokens = ByteBuffer.allocate(4 * TOKENS).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < TOKENS; i++) {
            tokens.putInt(random.nextInt(50_000));
        }
        SafetensorsFile.write(
                path,
                metadata,
                List.of(
                        new Tensor("tokens", "I32", List.of(TOKENS), segment(tokens)),
                        tensor("k", dtype, anyBits, random),
                        tensor("v", dtype, anyBits, random)));
        return path;
    }

    /** The bytes of one tensor of a file. */
    static byte[] bytes(Path path, String name) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            return SafetensorsFile.read(path, arena)
                    .tensor(name)
                    .data()
                    .toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** Squared error of a tensor, as a share of the sum of its squares. */
    static double error(Path actual, Path expected, String name, Dtype dtype) throws IOException {
        ByteBuffer a = ByteBuffer.wrap(bytes(actual, name)).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer b = ByteBuffer.wrap(bytes(expected, name)).order(ByteOrder.LITTLE_ENDIAN);
        double error = 0;
        double energy = 0;
        for (int i = 0; i < ELEMENTS; i++) {
            double value = element(b, i, dtype);
            double difference = element(a, i, dtype) - value;
            error += difference * difference;
            energy += value * value;
        }
        return error / energy;
    }

    private static Tensor tensor(String name, Dtype dtype, boolean anyBits, Random random) {
        int bytes = dtype.bytes();
        ByteBuffer out = ByteBuffer.allocate(bytes * ELEMENTS).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < ELEMENTS; i++) {
            float value = (float) (random.nextGaussian() * (1 + i % 16));
            int bits = anyBits ? random.nextInt() : dtype.fromFloat(value);
            if (bytes == 2) {
                out.putShort((short) bits);
            } else {
                out.putInt(bits);
            }
        }
        if (anyBits) {
            put(out, 0, dtype.fromFloat(Float.NaN), bytes);
            put(out, 1, dtype.fromFloat(Float.NEGATIVE_INFINITY), bytes);
        }
        return new Tensor(name, dtype.name(), SHAPE, segment(out));
    }

    private static void put(ByteBuffer out, int index, int bits, int bytes) {
        if (bytes == 2) {
            out.putShort(2 * index, (short) bits);
        } else {
            out.putInt(4 * index, bits);
        }
    }

    private static float element(ByteBuffer in, int index, Dtype dtype) {
        return dtype.toFloat(dtype.bytes() == 2 ? in.getShort(2 * index) : in.getInt(4 * index));
    }

    private static MemorySegment segment(ByteBuffer bytes) {
        return MemorySegment.ofArray(bytes.array());
    }
}
