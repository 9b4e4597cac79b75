package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.Quantizer;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;

/**
 * Quantizes each run of channels by its norm and the best scalar quantizer of a Gaussian (S. Lloyd
 * 1982; J. Max 1960): TurboQuant-MSE behind a random rotation (Zandieh et al., ICLR 2026, arXiv
 * 2504.19874, algorithm 1).
 *
 * <p>Side information: 16 bits a run.
 *
 * @param bits 1..6
 * @param width channels that share a norm: the size of a head
 */
public record LloydMax(int bits, int width) implements Quantizer {
    private static final int ITERATIONS = 400;

    /** Checks ranges. */
    public LloydMax {
        check(bits >= 1 && bits <= 6, "bits", bits, "1..6");
        check(width >= 2 && width <= 8192, "width", width, "2..8192");
    }

    @Override
    public String name() {
        return "lloyd-max(" + bits + "," + width + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        float[] levels = levels(bits);
        return new Planes.Symbols(EachPlane.map(in.floats(), plane -> encode(plane, levels, side)));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        float[] levels = levels(bits);
        return new Planes.Floats(
                EachPlane.map(
                        in.symbols(),
                        plane -> {
                            Shapes.groups(plane.shape(), width);
                            float[] x = new float[plane.shape().size()];
                            for (int at = 0; at < x.length; at += width) {
                                float rms = side.f16();
                                for (int i = 0; i < width; i++) {
                                    x[at + i] = levels[plane.data()[at + i]] * rms;
                                }
                            }
                            return new Plane<>(plane.shape().withLevels(0), x);
                        }));
    }

    @Override
    public double largestError(Planes in) {
        // One element may hold the whole norm: sqrt(width) times the root mean square.
        return EachPlane.largest(in.floats()) * Math.sqrt(width) + 1e-6;
    }

    private Plane<int[]> encode(Plane<float[]> plane, float[] levels, SideWriter side) {
        Shapes.groups(plane.shape(), width);
        int[] q = new int[plane.shape().size()];
        for (int at = 0; at < q.length; at += width) {
            double squares = 0;
            for (int i = 0; i < width; i++) {
                squares += (double) plane.data()[at + i] * plane.data()[at + i];
            }
            float rms = side.f16((float) Math.sqrt(squares / width));
            for (int i = 0; i < width; i++) {
                q[at + i] = nearest(levels, rms == 0 ? 0 : plane.data()[at + i] / rms);
            }
        }
        return new Plane<>(plane.shape().withLevels(levels.length), q);
    }

    private static int nearest(float[] levels, float x) {
        int best = 0;
        while (best + 1 < levels.length && x > (levels[best] + levels[best + 1]) / 2) {
            best++;
        }
        return best;
    }

    /** The 2^bits levels of the standard normal distribution, ascending. */
    static float[] levels(int bits) {
        int count = 1 << bits;
        double[] levels = new double[count];
        for (int i = 0; i < count; i++) {
            levels[i] = 3 * ((i + 0.5) / count * 2 - 1);
        }
        for (int iteration = 0; iteration < ITERATIONS; iteration++) {
            double below = Double.NEGATIVE_INFINITY;
            for (int i = 0; i < count; i++) {
                double above =
                        i + 1 < count ? (levels[i] + levels[i + 1]) / 2 : Double.POSITIVE_INFINITY;
                double mass = cumulative(above) - cumulative(below);
                levels[i] = (density(below) - density(above)) / mass;
                below = above;
            }
        }
        float[] out = new float[count];
        for (int i = 0; i < count; i++) {
            out[i] = (float) levels[i];
        }
        return out;
    }

    private static double density(double x) {
        return Double.isInfinite(x) ? 0 : Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    }

    /** The normal distribution by its series (G. Marsaglia, J. Stat. Software 11(4), 2004). */
    private static double cumulative(double x) {
        if (x < -8) {
            return 0;
        }
        if (x > 8) {
            return 1;
        }
        double sum = x;
        double term = x;
        for (int i = 3; sum + term != sum; i += 2) {
            term *= x * x / i;
            sum += term;
        }
        return 0.5 + sum * density(x);
    }
}
