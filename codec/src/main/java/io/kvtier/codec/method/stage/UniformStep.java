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
 * Rounds every element to a multiple of one step; an entropy coder behind it then spends bits where
 * variance is (reverse water-filling at high rate; T. Cover, J. Thomas, Elements of Information
 * Theory, 10.3). Elements beyond 127 steps are held at 127.
 *
 * @param keyStep the step of keys, above 0
 * @param valueStep the step of values
 */
public record UniformStep(float keyStep, float valueStep) implements Quantizer {
    private static final int TOP = 127;

    /** Checks ranges. */
    public UniformStep {
        check(keyStep > 0 && keyStep < 1e9f, "keyStep", keyStep, "above 0");
        check(valueStep > 0 && valueStep < 1e9f, "valueStep", valueStep, "above 0");
    }

    @Override
    public String name() {
        return "uniform-step(" + keyStep + "," + valueStep + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Symbols(
                EachPlane.map(
                        in.floats(),
                        plane -> {
                            float step = step(plane.shape());
                            int[] q = new int[plane.shape().size()];
                            for (int i = 0; i < q.length; i++) {
                                double steps = Math.rint(plane.data()[i] / step);
                                q[i] = (int) Math.clamp(steps, -TOP, TOP) + TOP;
                            }
                            return new Plane<>(plane.shape().withLevels(2 * TOP + 1), q);
                        }));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(
                EachPlane.map(
                        in.symbols(),
                        plane -> {
                            float step = step(plane.shape());
                            float[] x = new float[plane.shape().size()];
                            for (int i = 0; i < x.length; i++) {
                                x[i] = (plane.data()[i] - TOP) * step;
                            }
                            return new Plane<>(plane.shape().withLevels(0), x);
                        }));
    }

    @Override
    public double largestError(Planes in) {
        double out = 0;
        for (Plane<float[]> plane : in.floats()) {
            double step = step(plane.shape());
            double largest = EachPlane.largest(plane);
            out = Math.max(out, Math.max(0.5 * step * 1.0001, largest - TOP * step));
        }
        return out;
    }

    private float step(Plane.Shape shape) {
        return shape.kind() == Kind.KEYS ? keyStep : valueStep;
    }
}
