package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;

/**
 * Rotates runs of channels by random signs and a Hadamard matrix, which spreads outliers over all:
 * an orthogonal map, undone by itself and the signs (as QuaRot, arXiv 2404.00456, and TurboQuant's
 * random rotation, arXiv 2504.19874). Nothing is sent: signs come from the seed.
 *
 * @param width channels that are mixed, a power of two: the size of a head
 * @param seed of the signs
 */
public record RotateHadamard(int width, long seed) implements Transform {
    /** Checks ranges. */
    public RotateHadamard {
        boolean power = width >= 2 && width <= 1024 && Integer.bitCount(width) == 1;
        check(power, "width", width, "a power of two, 2..1024");
    }

    @Override
    public String name() {
        return "rotate-hadamard(" + width + "," + seed + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return map(in, true);
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return map(in, false);
    }

    @Override
    public double largestError(Planes in) {
        return EachPlane.largest(in.floats()) * width * 1e-6 + 1e-7;
    }

    private Planes map(Planes in, boolean forwards) {
        float[] signs = signs();
        return new Planes.Floats(
                EachPlane.map(
                        in.floats(),
                        plane -> {
                            Shapes.groups(plane.shape(), width);
                            float[] x = plane.data().clone();
                            for (int at = 0; at < x.length; at += width) {
                                if (forwards) {
                                    flip(x, at, signs);
                                }
                                transform(x, at);
                                if (!forwards) {
                                    flip(x, at, signs);
                                }
                            }
                            return new Plane<>(plane.shape(), x);
                        }));
    }

    private static void flip(float[] x, int at, float[] signs) {
        for (int i = 0; i < signs.length; i++) {
            x[at + i] *= signs[i];
        }
    }

    /** The normalized Walsh–Hadamard transform in place. */
    private void transform(float[] x, int at) {
        for (int half = 1; half < width; half *= 2) {
            for (int i = 0; i < width; i++) {
                if ((i & half) == 0) {
                    float a = x[at + i];
                    float b = x[at + i + half];
                    x[at + i] = a + b;
                    x[at + i + half] = a - b;
                }
            }
        }
        float norm = (float) (1 / Math.sqrt(width));
        for (int i = 0; i < width; i++) {
            x[at + i] *= norm;
        }
    }

    /** Signs by SplitMix64 (G. Steele et al., OOPSLA 2014): one number a channel. */
    private float[] signs() {
        float[] out = new float[width];
        long state = seed;
        for (int i = 0; i < width; i++) {
            state += 0x9e3779b97f4a7c15L;
            long z = (state ^ (state >>> 30)) * 0xbf58476d1ce4e5b9L;
            z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
            out[i] = ((z ^ (z >>> 31)) & 1) == 0 ? 1 : -1;
        }
        return out;
    }
}
