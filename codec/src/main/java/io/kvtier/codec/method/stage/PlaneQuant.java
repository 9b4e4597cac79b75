package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.Quantizer;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;

/**
 * Rounds a whole plane by one scale, symmetric: the per-tensor quantizer that FlattenQuant makes
 * possible and is compared with.
 *
 * <p>Side information: 32 bits a plane.
 *
 * @param bits 2..8
 */
public record PlaneQuant(int bits) implements Quantizer {
    /** Checks ranges. */
    public PlaneQuant {
        check(bits >= 2 && bits <= 8, "bits", bits, "2..8");
    }

    @Override
    public String name() {
        return "plane-quant(" + bits + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        int top = top();
        return new Planes.Symbols(
                EachPlane.map(
                        in.floats(),
                        plane -> {
                            float largest = EachPlane.largest(plane);
                            side.f32(largest);
                            int[] q = new int[plane.shape().size()];
                            for (int i = 0; i < q.length; i++) {
                                float x = plane.data()[i];
                                float steps = largest == 0 ? 0 : x / largest * top;
                                q[i] = (int) Math.rint(steps) + top;
                            }
                            return new Plane<>(plane.shape().withLevels(2 * top + 1), q);
                        }));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        int top = top();
        return new Planes.Floats(
                EachPlane.map(
                        in.symbols(),
                        plane -> {
                            float largest = side.f32();
                            float[] x = new float[plane.shape().size()];
                            for (int i = 0; i < x.length; i++) {
                                x[i] = (plane.data()[i] - top) * largest / top;
                            }
                            return new Plane<>(plane.shape().withLevels(0), x);
                        }));
    }

    @Override
    public double largestError(Planes in) {
        return EachPlane.largest(in.floats()) * 0.5001 / top() + 1e-7;
    }

    private int top() {
        return (1 << (bits - 1)) - 1;
    }
}
