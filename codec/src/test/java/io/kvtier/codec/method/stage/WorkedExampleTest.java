package io.kvtier.codec.method.stage;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Method;
import io.kvtier.codec.method.MethodCodec;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.Quantizer;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The method that CONTRIBUTING.md adds is this one, and it works. */
class WorkedExampleTest {
    /** Keeps the sign of each element and a token's mean magnitude: a bit an element. */
    record Signs() implements Quantizer {
        @Override
        public String name() {
            return "signs";
        }

        @Override
        public Planes encode(Planes in, Chunk chunk, SideWriter side) {
            return new Planes.Symbols(EachPlane.map(in.floats(), plane -> encode(plane, side)));
        }

        private static Plane<int[]> encode(Plane<float[]> plane, SideWriter side) {
            int columns = plane.shape().columns();
            int[] q = new int[plane.shape().size()];
            for (int row = 0; row < plane.shape().rows(); row++) {
                float sum = 0;
                for (int i = row * columns; i < (row + 1) * columns; i++) {
                    sum += Math.abs(plane.data()[i]);
                    q[i] = plane.data()[i] < 0 ? 1 : 0;
                }
                side.f16(sum / columns);
            }
            return new Plane<>(plane.shape().withLevels(2), q);
        }

        @Override
        public Planes decode(Planes in, Chunk chunk, SideReader side) {
            return new Planes.Floats(EachPlane.map(in.symbols(), plane -> decode(plane, side)));
        }

        private static Plane<float[]> decode(Plane<int[]> plane, SideReader side) {
            int columns = plane.shape().columns();
            float[] x = new float[plane.shape().size()];
            for (int row = 0; row < plane.shape().rows(); row++) {
                float magnitude = side.f16();
                for (int i = row * columns; i < (row + 1) * columns; i++) {
                    x[i] = plane.data()[i] == 1 ? -magnitude : magnitude;
                }
            }
            return new Plane<>(plane.shape().withLevels(0), x);
        }

        @Override
        public double largestError(Planes in) {
            return 2.01 * EachPlane.largest(in.floats());
        }
    }

    @Test
    void document_showsThisClass() throws IOException {
        String document = Files.readString(Path.of("..", "CONTRIBUTING.md"));
        String start = "```java\n/** Keeps the sign";
        assertThat(document).contains(start);
        int from = document.indexOf(start) + "```java\n".length();
        String shown = document.substring(from, document.indexOf("```", from));
        Path source = Path.of("src/test/java/io/kvtier/codec/method/stage/WorkedExampleTest.java");
        assertThat(lines(Files.readString(source))).containsSubsequence(lines(shown));
        assertThat(lines(shown)).hasSizeGreaterThan(30);
    }

    @Test
    void method_ofTheExample_codesAChunk() {
        Geometry geometry = Geometry.uniform(2, 2, 1, 64, Dtype.F16, Rope.rotateHalf(64, 10_000));
        DenseKv kv = DenseKv.zeros(geometry, 0, 16);
        for (float[] layer : kv.keys()) {
            for (int i = 0; i < layer.length; i++) {
                layer[i] = i % 3 == 0 ? -2 : 2;
            }
        }
        Method signs = Method.chain("signs", "none", new Signs(), new PackBits());
        MethodCodec codec = new MethodCodec(signs);
        byte[] coded = codec.encode(kv, RateMap.uniform(geometry, 16, RateMap.RAW));
        DenseKv back = codec.decode(coded, geometry).kv();
        assertThat(back.keys()[1]).containsExactly(kv.keys()[1]);
        assertThat(back.values()[1]).containsExactly(kv.values()[1]);
    }

    private static List<String> lines(String text) {
        return Arrays.stream(text.split("\n"))
                .map(String::strip)
                .filter(s -> !s.isEmpty())
                .toList();
    }
}
