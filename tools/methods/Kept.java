import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.policy.EntityTagger;
import io.kvtier.codec.method.policy.Policies;
import io.kvtier.codec.method.policy.Policy;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;

/**
 * What each policy keeps of a SmolLM2 context: called by {@code drop.py} with a folder and a share
 * of the bytes. The folder has little-endian float32 files as kvlab names their tensors, k and v,
 * and token strings a line each; beside them comes {@code POLICY.kept}, bits of keys, then of
 * values, a byte each, {@code [2, layers, kv_heads, tokens]}.
 */
final class Kept {
    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        double share = Double.parseDouble(arguments[1]);
        int layers = 30;
        int tokens = 1024;
        Rope rope = Rope.rotateHalf(64, 100_000);
        Geometry geometry = Geometry.uniform(layers, 9, 3, 64, Dtype.F16, rope);
        DenseKv kv = DenseKv.zeros(geometry, 0, tokens);
        fill(kv.keys(), floats(folder.resolve("k")));
        fill(kv.values(), floats(folder.resolve("v")));
        Map<Hint, float[]> hints = new EnumMap<>(Hint.class);
        hints.put(Hint.ATTENTION_SUM, floats(folder.resolve("attn_sum")));
        hints.put(Hint.ATTENTION_WINDOW, floats(folder.resolve("attn_window")));
        hints.put(Hint.QUERY_WINDOW, floats(folder.resolve("query_window")));
        hints.put(Hint.QUERY_MOMENTS, floats(folder.resolve("query_moments")));
        var strings =
                Files.readAllLines(folder.resolve("strings")).stream()
                        .map(line -> line.replace("\\n", "\n"))
                        .toList();
        hints.put(Hint.ENTITY, new EntityTagger(1).tag(strings));
        RateMap from = RateMap.uniform(geometry, tokens, RateMap.RAW);
        long bytes = (long) (from.bytes(geometry) * share);
        for (Policy policy : Policies.all(64)) {
            // Policies that lower rates are for codecs: a cache without one has no use for them.
            if (policy.name().matches("LLMS|recency-graded|rate optimizer|FlexGen.*")) {
                continue;
            }
            RateMap rates = policy.decide(kv, new Hints(hints), from, bytes).rates();
            ByteBuffer out = ByteBuffer.allocate(2 * layers * 3 * tokens);
            for (Kind kind : Kind.values()) {
                for (byte[] layer : rates.plane(kind)) {
                    out.put(layer);
                }
            }
            Files.write(folder.resolve(policy.name() + ".kept"), out.array());
        }
    }

    private static void fill(float[][] plane, float[] from) {
        for (int layer = 0; layer < plane.length; layer++) {
            int size = plane[layer].length;
            System.arraycopy(from, layer * size, plane[layer], 0, size);
        }
    }

    private static float[] floats(Path file) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file));
        float[] out = new float[bytes.remaining() / 4];
        bytes.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(out);
        return out;
    }
}
