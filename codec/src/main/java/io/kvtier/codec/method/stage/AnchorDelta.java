package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;

/**
 * CacheGen's delta: tokens in groups, the first of which is an anchor of 8 bits, and the others
 * their difference to it, so that groups decode in parallel (Liu et al., SIGCOMM 2024, arXiv
 * 2310.07240, section 5.1). Differences are to the anchor as decoded. Hands on the differences;
 * anchor rows come out of side information.
 *
 * <p>Side information: 8 bits an element and 16 a row of anchors.
 *
 * @param group tokens of a group, the anchor included; 10 in the paper
 */
public record AnchorDelta(int group) implements Transform {
    private static final int TOP = 127;

    /** Checks ranges. */
    public AnchorDelta {
        check(group >= 2, "group", group, "at least 2");
    }

    @Override
    public String name() {
        return "anchor-delta(" + group + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Floats(EachPlane.map(in.floats(), plane -> encode(plane, side)));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(EachPlane.map(in.floats(), plane -> decode(plane, side)));
    }

    @Override
    public double largestError(Planes in) {
        return EachPlane.largest(in.floats()) * (0.5 / TOP + 1.0 / 1024) + 1e-6;
    }

    private Plane<float[]> encode(Plane<float[]> plane, SideWriter side) {
        int rows = plane.shape().rows();
        int columns = plane.shape().columns();
        int anchors = (rows + group - 1) / group;
        side.varint(rows);
        float[] out = new float[(rows - anchors) * columns];
        float[] anchor = new float[columns];
        int to = 0;
        for (int r = 0; r < rows; r++) {
            int from = r * columns;
            if (r % group == 0) {
                float largest = 0;
                for (int c = 0; c < columns; c++) {
                    largest = Math.max(largest, Math.abs(plane.data()[from + c]));
                }
                largest = side.f16(largest);
                for (int c = 0; c < columns; c++) {
                    float steps = largest == 0 ? 0 : plane.data()[from + c] * TOP / largest;
                    int q = Math.clamp((int) Math.rint(steps), -TOP, TOP);
                    side.u8(q);
                    anchor[c] = q * largest / TOP;
                }
                continue;
            }
            for (int c = 0; c < columns; c++) {
                out[to++] = plane.data()[from + c] - anchor[c];
            }
        }
        return new Plane<>(plane.shape().sized(rows - anchors, columns), out);
    }

    private Plane<float[]> decode(Plane<float[]> plane, SideReader side) {
        int rows = side.varint();
        int columns = plane.shape().columns();
        int anchors = (int) (((long) rows + group - 1) / group);
        Shapes.check(plane.shape(), rows - anchors, columns);
        float[] out = new float[Math.multiplyExact(rows, columns)];
        float[] anchor = new float[columns];
        int from = 0;
        for (int r = 0; r < rows; r++) {
            boolean first = r % group == 0;
            float largest = first ? side.f16() : 0;
            for (int c = 0; c < columns; c++) {
                if (first) {
                    anchor[c] = (byte) side.u8() * largest / TOP;
                }
                out[r * columns + c] = anchor[c] + (first ? 0 : plane.data()[from++]);
            }
        }
        return new Plane<>(plane.shape().sized(rows, columns), out);
    }
}
