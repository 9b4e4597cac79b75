package io.kvtier.node.tensors;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * Expands keys or values that were kept in 8 bits: the arithmetic of examples/sample/README.md,
 * which gives every reader the same bytes; the file's own digest proves it.
 */
final class SampleCache {
    private static final ValueLayout.OfShort HALF =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private SampleCache() {}

    static boolean isSample(SafetensorsFile file) {
        return "kvtier-sample-1".equals(file.metadata().get("format"));
    }

    /** Tensor {@code k} or {@code v} as F16 {@code [layers, tokens, kvHeads, headDim]}. */
    static Tensor expand(SafetensorsFile file, String name, Arena arena) {
        Tensor q = file.tensor(name + "_q");
        Tensor scale = file.tensor(name + "_scale");
        Tensor offset = file.tensor(name + "_offset");
        Tensor first = file.tensor(name + "_first");
        check(q.shape().size() == 4 && q.dtype().equals("I8"), name + "_q", q.shape(), "I8, 4-d");
        int layers = q.shape().get(0);
        int tokens = q.shape().get(1);
        int width = q.shape().get(2) * q.shape().get(3);
        int groupTokens = number(file.metadata(), name + "_group_tokens");
        int groups = groupTokens < 1 ? 0 : (tokens + groupTokens - 1) / groupTokens;
        List<Integer> statistics = List.of(layers, groups, q.shape().get(2), q.shape().get(3));
        check(scale.shape().equals(statistics), name + "_scale", scale.shape(), statistics);
        check(offset.shape().equals(statistics), name + "_offset", offset.shape(), statistics);
        check(first.shape().get(1) == 1, name + "_first", first.shape(), "one token");
        MemorySegment out = arena.allocate(q.data().byteSize() * 2, 8);
        for (int layer = 0; layer < layers; layer++) {
            for (int token = 0; token < tokens; token++) {
                long row = ((long) layer * tokens + token) * width;
                long group = ((long) layer * groups + token / groupTokens) * width;
                for (int w = 0; w < width; w++) {
                    float s = half(scale, group + w);
                    float o = half(offset, group + w);
                    float x = o + q.data().get(ValueLayout.JAVA_BYTE, row + w) * s;
                    out.set(HALF, 2 * (row + w), Float.floatToFloat16(x));
                }
            }
            long bytes = 2L * width;
            MemorySegment.copy(first.data(), layer * bytes, out, layer * bytes * tokens, bytes);
        }
        String expected = file.metadata().getOrDefault(name + "_sha256", "");
        check(sha256(out).equals(expected), "SHA-256 of " + name, sha256(out), expected);
        return new Tensor(name, "F16", q.shape(), out);
    }

    static int number(Map<String, String> metadata, String name) {
        String text = metadata.getOrDefault(name, "");
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException e) {
            check(false, "metadata '" + name + "'", "'" + text + "'", "an integer");
            return 0;
        }
    }

    private static float half(Tensor tensor, long index) {
        return Float.float16ToFloat(tensor.data().get(HALF, 2 * index));
    }

    private static String sha256(MemorySegment bytes) {
        try {
            MessageDigest sha = MessageDigest.getInstance("SHA-256");
            sha.update(bytes.asByteBuffer());
            return HexFormat.of().formatHex(sha.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
