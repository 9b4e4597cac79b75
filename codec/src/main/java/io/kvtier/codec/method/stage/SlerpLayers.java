package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * MiniCache: two neighbouring layers keep one direction for each head and token, between theirs on
 * the sphere, and their own lengths (Liu et al., NeurIPS 2024, arXiv 2405.14366, section 3). Heads
 * whose directions are far apart stay as they are: those with angle d &gt; d_max − γ(d_max − d_min)
 * within a pair of planes. Pairs are (l, l+1) from {@code from} on; keys and values apart.
 *
 * <p>Side information: two lengths of 16 bits a head and token, a bit for what is retained, and the
 * second layer's retained rows as halves. Hands on one plane a pair.
 *
 * @param from first stored layer of the first pair; in the paper half of the layers
 * @param t place between the two directions, 0..1; 0.6 in the paper
 * @param gamma share of the range of angles that is retained, 0..1; 0.05 in the paper
 */
public record SlerpLayers(int from, double t, double gamma) implements Transform {
    private static final double NEARLY_PARALLEL = 1e-4;

    /** Checks ranges. */
    public SlerpLayers {
        check(from >= 0, "from", from, "at least 0");
        check(t >= 0 && t <= 1, "t", t, "0..1");
        check(gamma >= 0 && gamma <= 1, "gamma", gamma, "0..1");
    }

    @Override
    public String name() {
        return "slerp-layers(" + from + "," + t + "," + gamma + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        List<Plane<float[]>> planes = in.floats();
        List<Plane<float[]>> out = new ArrayList<>();
        int i = 0;
        while (i < planes.size()) {
            Plane<float[]> low = planes.get(i++);
            boolean merged = startsPair(low.shape(), chunk);
            int dim = chunk.dim(low.shape().kind());
            out.add(merged ? merge(low, planes.get(i++), dim, side) : low);
        }
        return new Planes.Floats(out);
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        List<Plane<float[]>> out = new ArrayList<>();
        for (Plane<float[]> plane : in.floats()) {
            if (startsPair(plane.shape(), chunk)) {
                split(plane, chunk.dim(plane.shape().kind()), side, out);
            } else {
                out.add(plane);
            }
        }
        return new Planes.Floats(out);
    }

    /** No direction is promised, but lengths are kept: at most twice the longest. */
    @Override
    public double largestError(Planes in) {
        float largest = EachPlane.largest(in.floats());
        int columns = in.floats().isEmpty() ? 1 : in.floats().getFirst().shape().columns();
        return 2.01 * largest * Math.sqrt(columns) + 1e-6;
    }

    private boolean startsPair(Plane.Shape shape, Chunk chunk) {
        int layers = chunk.geometry().storedLayers().size();
        int layer = shape.layer();
        return layer >= from && (layer - from) % 2 == 0 && layer + 1 < layers;
    }

    private Plane<float[]> merge(
            Plane<float[]> low, Plane<float[]> high, int dim, SideWriter side) {
        float[] a = low.data();
        float[] b = high.data();
        int rows = a.length / dim;
        BitSet retained = retained(a, b, dim);
        side.bits(retained, rows);
        float[] out = new float[a.length];
        for (int r = 0; r < rows; r++) {
            int at = r * dim;
            if (retained.get(r)) {
                System.arraycopy(a, at, out, at, dim);
                for (int i = 0; i < dim; i++) {
                    side.f16(b[at + i]);
                }
                continue;
            }
            double lengthA = side.f16((float) norm(a, at, dim));
            double lengthB = side.f16((float) norm(b, at, dim));
            double angle = angle(a, b, at, dim);
            double sine = Math.sin(angle);
            boolean straight = angle < NEARLY_PARALLEL; // the limit of both weights
            double weightA = straight ? 1 - t : Math.sin((1 - t) * angle) / sine;
            double weightB = straight ? t : Math.sin(t * angle) / sine;
            double inverseA = lengthA == 0 ? 0 : 1 / norm(a, at, dim);
            double inverseB = lengthB == 0 ? 0 : 1 / norm(b, at, dim);
            for (int i = 0; i < dim; i++) {
                out[at + i] =
                        (float) (weightA * inverseA * a[at + i] + weightB * inverseB * b[at + i]);
            }
        }
        return new Plane<>(low.shape(), out);
    }

    private static void split(
            Plane<float[]> plane, int dim, SideReader side, List<Plane<float[]>> out) {
        float[] e = plane.data();
        CorruptChunkException.check(e.length % dim == 0, "merged plane", "whole heads", e.length);
        int rows = e.length / dim;
        BitSet retained = side.bits(rows);
        float[] a = new float[e.length];
        float[] b = new float[e.length];
        for (int r = 0; r < rows; r++) {
            int at = r * dim;
            boolean whole = retained.get(r);
            float lengthA = whole ? 1 : side.f16();
            float lengthB = whole ? 0 : side.f16();
            // Later stages may have changed the direction's length: lengths are kept exactly.
            double norm = whole ? 1 : norm(e, at, dim);
            float inverse = norm == 0 ? 0 : (float) (1 / norm);
            for (int i = 0; i < dim; i++) {
                a[at + i] = e[at + i] * inverse * lengthA;
                b[at + i] = whole ? side.f16() : e[at + i] * inverse * lengthB;
            }
        }
        Plane.Shape shape = plane.shape();
        out.add(new Plane<>(shape, a));
        out.add(
                new Plane<>(
                        new Plane.Shape(
                                shape.kind(),
                                shape.layer() + 1,
                                shape.head(),
                                shape.rows(),
                                shape.columns(),
                                0),
                        b));
    }

    private BitSet retained(float[] a, float[] b, int dim) {
        int rows = a.length / dim;
        double[] angles = new double[rows];
        double least = Double.POSITIVE_INFINITY;
        double greatest = 0;
        for (int r = 0; r < rows; r++) {
            angles[r] = angle(a, b, r * dim, dim);
            least = Math.min(least, angles[r]);
            greatest = Math.max(greatest, angles[r]);
        }
        double threshold = greatest - gamma * (greatest - least);
        BitSet out = new BitSet(rows);
        for (int r = 0; r < rows; r++) {
            // Opposite directions have none between them.
            out.set(r, angles[r] > threshold || angles[r] > Math.PI - NEARLY_PARALLEL);
        }
        return out;
    }

    private static double angle(float[] a, float[] b, int at, int dim) {
        double lengths = norm(a, at, dim) * norm(b, at, dim);
        if (lengths == 0) {
            return 0;
        }
        double dot = 0;
        for (int i = 0; i < dim; i++) {
            dot += (double) a[at + i] * b[at + i];
        }
        return Math.acos(Math.clamp(dot / lengths, -1.0, 1.0));
    }

    private static double norm(float[] x, int at, int dim) {
        double squares = 0;
        for (int i = 0; i < dim; i++) {
            squares += (double) x[at + i] * x[at + i];
        }
        return Math.sqrt(squares);
    }
}
