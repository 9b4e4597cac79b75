package io.kvtier.codec.method.stage;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;
import java.util.BitSet;

/**
 * Remembers for each head the mean of the values that its rates drop while their keys stay, and
 * puts it in their place: the survey's variant of FlexGen's sparse values (arXiv 2303.06865,
 * section 4.2), which lets them count as 0. An attention output is then off by the missed weight
 * times the largest distance from the mean, instead of the largest norm. Stands before the stage
 * that drops.
 *
 * <p>Side information: 16·valueDim bits for each layer and head that drops values.
 */
public record MeanValues() implements Transform {
    @Override
    public String name() {
        return "mean-values";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        int heads = chunk.geometry().kvHeads();
        int dim = chunk.geometry().valueDim();
        for (Plane<float[]> plane : in.floats()) {
            for (int head = 0; head < heads && plane.shape().kind() == Kind.VALUES; head++) {
                BitSet missing = missing(chunk, plane.shape().layer(), head);
                for (int i = 0; i < dim && !missing.isEmpty(); i++) {
                    int at = head * dim + i;
                    double sum = missing.stream().mapToDouble(t -> x(plane, t, at)).sum();
                    side.f16((float) (sum / missing.cardinality()));
                }
            }
        }
        return in;
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        int heads = chunk.geometry().kvHeads();
        int dim = chunk.geometry().valueDim();
        return new Planes.Floats(
                EachPlane.map(
                        in.floats(),
                        plane -> {
                            if (plane.shape().kind() == Kind.KEYS) {
                                return plane;
                            }
                            Shapes.check(plane.shape(), chunk.tokens(), heads * dim);
                            float[] x = plane.data().clone();
                            for (int head = 0; head < heads; head++) {
                                fill(x, chunk, plane.shape().layer(), head, side);
                            }
                            return new Plane<>(plane.shape(), x);
                        }));
    }

    /** What it leaves alone comes back; the values that it fills were dropped by another stage. */
    @Override
    public double largestError(Planes in) {
        return 2.01 * EachPlane.largest(in.floats()) + 1e-6;
    }

    private static void fill(float[] x, Chunk chunk, int layer, int head, SideReader side) {
        int dim = chunk.geometry().valueDim();
        int columns = chunk.geometry().kvHeads() * dim;
        BitSet missing = missing(chunk, layer, head);
        for (int i = 0; i < dim && !missing.isEmpty(); i++) {
            float mean = side.f16();
            CorruptChunkException.check(Float.isFinite(mean), "mean of values", "finite", mean);
            int at = head * dim + i;
            missing.stream().forEach(t -> x[t * columns + at] = mean);
        }
    }

    /** The tokens whose key stays without its value. */
    private static BitSet missing(Chunk chunk, int layer, int head) {
        BitSet out = chunk.rates().kept(Kind.KEYS, layer, head);
        out.andNot(chunk.rates().kept(Kind.VALUES, layer, head));
        return out;
    }

    private static float x(Plane<float[]> plane, int token, int column) {
        return plane.data()[token * plane.shape().columns() + column];
    }
}
