package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;

/**
 * Forces fewer KV heads on a model: groups of heads keep their mean, what conversion to GQA does to
 * weights before training (Ainslie et al., EMNLP 2023, arXiv 2305.13245, section 2.1; all heads in
 * one group = MQA, Shazeer, arXiv 1911.02150). A bad codec, for comparison; exact where heads are
 * equal.
 *
 * @param group heads that become one, a divisor of the KV heads
 */
public record MergeHeads(int group) implements Transform {
    /** Checks ranges. */
    public MergeHeads {
        check(group >= 2, "group", group, "at least 2");
    }

    @Override
    public String name() {
        return "merge-heads(" + group + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Floats(EachPlane.map(in.floats(), plane -> merge(plane, chunk)));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(EachPlane.map(in.floats(), plane -> expand(plane, chunk)));
    }

    @Override
    public double largestError(Planes in) {
        return 2 * EachPlane.largest(in.floats()) + 1e-6;
    }

    private Plane<float[]> merge(Plane<float[]> plane, Chunk chunk) {
        int dim = dim(plane.shape(), chunk);
        int groups = Shapes.groups(plane.shape(), dim * group);
        int rows = plane.shape().rows();
        float[] out = new float[rows * groups * dim];
        for (int i = 0; i < out.length; i++) {
            int row = i / (groups * dim);
            int inRow = i % (groups * dim);
            int from = row * plane.shape().columns() + inRow / dim * group * dim + inRow % dim;
            double sum = 0;
            for (int head = 0; head < group; head++) {
                sum += plane.data()[from + head * dim];
            }
            out[i] = (float) (sum / group);
        }
        return new Plane<>(plane.shape().sized(rows, groups * dim), out);
    }

    private Plane<float[]> expand(Plane<float[]> plane, Chunk chunk) {
        int dim = dim(plane.shape(), chunk);
        Shapes.groups(plane.shape(), dim);
        int rows = plane.shape().rows();
        int columns = Math.multiplyExact(plane.shape().columns(), group);
        float[] out = new float[Math.multiplyExact(rows, columns)];
        for (int i = 0; i < out.length; i++) {
            int inRow = i % columns;
            int from = inRow / (group * dim) * dim + inRow % dim;
            out[i] = plane.data()[i / columns * plane.shape().columns() + from];
        }
        return new Plane<>(plane.shape().sized(rows, columns), out);
    }

    private static int dim(Plane.Shape shape, Chunk chunk) {
        boolean keys = shape.kind() == Kind.KEYS;
        return keys ? chunk.geometry().keyDim() : chunk.geometry().valueDim();
    }
}
