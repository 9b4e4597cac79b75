package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.Quantizer;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;

/**
 * Quantizes groups of neighbours between their least and greatest value: q = round((x − min) · s),
 * s = (2^bits − 1) / (max − min), with s and min as halves and every operation rounded to a half,
 * as FlexGen computes (Sheng et al., ICML 2023, arXiv 2303.06865, {@code compression.py}). By
 * channel it is what KIVI does to keys (Liu et al., ICML 2024, arXiv 2402.02750).
 *
 * <p>Side information: 32 bits a group. A last group that is not full is quantized alone.
 *
 * @param bits 1..8
 * @param group neighbours that share a scale
 * @param keys along which axis keys form groups
 * @param values along which axis values do
 */
public record GroupQuant(int bits, int group, Axis keys, Axis values) implements Quantizer {
    /** Which neighbours form a group. */
    public enum Axis {
        /** Channels of one token. */
        TOKEN,
        /** Tokens of one channel. */
        CHANNEL
    }

    /** Checks ranges. */
    public GroupQuant {
        check(bits >= 1 && bits <= 8, "bits", bits, "1..8");
        check(group >= 2, "group", group, "at least 2");
    }

    @Override
    public String name() {
        return "group-quant(" + bits + "," + group + "," + keys + "," + values + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Symbols(EachPlane.map(in.floats(), plane -> encode(plane, side)));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(EachPlane.map(in.symbols(), plane -> decode(plane, side)));
    }

    @Override
    public double largestError(Planes in) {
        float largest = EachPlane.largest(in.floats());
        // Half a step of the widest group, and what four operations in halves may add.
        return largest / ((1 << bits) - 1) + largest * 8 / 1024 + 1e-6;
    }

    private Plane<int[]> encode(Plane<float[]> plane, SideWriter side) {
        int[] q = new int[plane.shape().size()];
        int top = (1 << bits) - 1;
        Groups groups = new Groups(plane.shape());
        for (int g = 0; g < groups.count(); g++) {
            float min = Float.POSITIVE_INFINITY;
            float max = Float.NEGATIVE_INFINITY;
            for (int i = 0; i < groups.size(g); i++) {
                float x = half(plane.data()[groups.at(g, i)]);
                min = Math.min(min, x);
                max = Math.max(max, x);
            }
            float width = half(max - min);
            float scale = width == 0 ? 0 : half(top / width);
            if (Float.isInfinite(scale)) {
                scale = 65504; // a width below 2^-16 times the top: all of it is rounding
            }
            side.f16(scale);
            side.f16(min);
            for (int i = 0; i < groups.size(g); i++) {
                int at = groups.at(g, i);
                float steps = half(half(half(plane.data()[at]) - min) * scale);
                q[at] = (int) Math.rint(Math.min(Math.max(steps, 0), top));
            }
        }
        return new Plane<>(plane.shape().withLevels(top + 1), q);
    }

    private Plane<float[]> decode(Plane<int[]> plane, SideReader side) {
        float[] x = new float[plane.shape().size()];
        Groups groups = new Groups(plane.shape());
        for (int g = 0; g < groups.count(); g++) {
            float scale = side.f16();
            float min = side.f16();
            for (int i = 0; i < groups.size(g); i++) {
                int at = groups.at(g, i);
                float steps = scale == 0 ? 0 : half(plane.data()[at] / scale);
                x[at] = half(steps + min);
            }
        }
        return new Plane<>(plane.shape().withLevels(0), x);
    }

    private static float half(float x) {
        return Float.float16ToFloat(Float.floatToFloat16(x));
    }

    /** Where the members of each group lie. */
    private final class Groups {
        private final Plane.Shape shape;
        private final boolean alongRow;
        private final int length;
        private final int perLine;

        Groups(Plane.Shape shape) {
            this.shape = shape;
            alongRow = (shape.kind() == Kind.KEYS ? keys : values) == Axis.TOKEN;
            length = alongRow ? shape.columns() : shape.rows();
            perLine = (length + group - 1) / group;
        }

        int count() {
            return perLine * (alongRow ? shape.rows() : shape.columns());
        }

        int size(int g) {
            return Math.min(group, length - g % perLine * group);
        }

        int at(int g, int i) {
            int line = g / perLine;
            int along = g % perLine * group + i;
            return alongRow ? line * shape.columns() + along : along * shape.columns() + line;
        }
    }
}
