package io.kvtier.codec;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Rope;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Cosines and sines of one RoPE setting at the positions of one chunk after another: {@link #begin}
 * before each.
 *
 * <p>J. Su et al., RoFormer, arXiv 2104.09864; Llama-3 scaling as in Meta's reference code.
 */
public final class Rotation {
    private static final VectorSpecies<Float> WIDE = FloatVector.SPECIES_PREFERRED;

    private final double[] frequencies;
    private final boolean halves;
    private int firstPosition;
    private int tokens;

    /** Of pair p of token t at {@code t·pairs + p}. */
    private float[] cos = new float[0];

    private float[] sin = new float[0];

    /** The frequencies of a setting; scalings that need the length of the sequence are refused. */
    public Rotation(Rope rope) {
        halves = rope.style() == Rope.Style.ROTATE_HALF;
        frequencies = new double[rope.rotaryDims() / 2];
        for (int pair = 0; pair < frequencies.length; pair++) {
            frequencies[pair] = frequency(rope, pair);
        }
    }

    /** Moves to a chunk's positions. */
    public void begin(int position, int count) {
        if (position == firstPosition && count == tokens) {
            return;
        }
        firstPosition = position;
        tokens = count;
        int pairs = frequencies.length;
        if (cos.length < pairs * tokens) {
            cos = new float[pairs * tokens];
            sin = new float[pairs * tokens];
        }
        for (int t = 0; t < tokens; t++) {
            for (int pair = 0; pair < pairs; pair++) {
                double angle = ((double) position + t) * frequencies[pair];
                cos[t * pairs + pair] = (float) StrictMath.cos(angle);
                sin[t * pairs + pair] = (float) StrictMath.sin(angle);
            }
        }
    }

    /** Whether nothing is rotated. */
    public boolean isNone() {
        return frequencies.length == 0;
    }

    /** Rotates a head of token t, whose channels begin at {@code at}, forwards or backwards. */
    public void rotate(float[] x, int at, int t, boolean apply) {
        int pairs = frequencies.length;
        int pair = 0;
        for (; halves && pair + WIDE.length() <= pairs; pair += WIDE.length()) {
            FloatVector a = FloatVector.fromArray(WIDE, x, at + pair);
            FloatVector b = FloatVector.fromArray(WIDE, x, at + pair + pairs);
            FloatVector c = FloatVector.fromArray(WIDE, cos, t * pairs + pair);
            FloatVector s = FloatVector.fromArray(WIDE, sin, t * pairs + pair);
            s = apply ? s : s.neg();
            a.mul(c).sub(b.mul(s)).intoArray(x, at + pair);
            b.mul(c).add(a.mul(s)).intoArray(x, at + pair + pairs);
        }
        for (; pair < pairs; pair++) {
            int i = at + (halves ? pair : 2 * pair);
            int j = i + (halves ? pairs : 1);
            float a = x[i];
            float b = x[j];
            float c = cos[t * pairs + pair];
            float s = apply ? sin[t * pairs + pair] : -sin[t * pairs + pair];
            x[i] = a * c - b * s;
            x[j] = b * c + a * s;
        }
    }

    /**
     * Moves a head that is rotated already by {@code positions} more: key re-rotation, for reuse at
     * another place of a sequence and for caches that give kept tokens new positions (StreamingLLM,
     * arXiv 2309.17453, section 3.2). Rotations add up, so R(b)·R(a) = R(a + b).
     */
    public static void shift(Rope rope, float[] x, int at, int positions) {
        Rotation rotation = new Rotation(rope);
        if (rotation.isNone() || positions == 0) {
            return;
        }
        rotation.begin(Math.abs(positions), 1);
        rotation.rotate(x, at, 0, positions > 0);
    }

    private static double frequency(Rope rope, int pair) {
        double plain = StrictMath.pow(rope.theta(), -2.0 * pair / rope.rotaryDims());
        return switch (rope.scaling()) {
            case NONE -> plain;
            case LINEAR -> plain / factor(rope);
            case LLAMA3 -> llama3(plain, rope);
            case DYNAMIC_NTK, YARN ->
                    throw new InvalidRequestException(
                            "RoPE scaling is "
                                    + rope.scaling()
                                    + ", expected NONE, LINEAR or LLAMA3 in an adaptive namespace;"
                                    + " use an exact one");
        };
    }

    /** Long waves are stretched by the factor, short ones stay, those between are blended. */
    private static double llama3(double plain, Rope rope) {
        List<Double> p = rope.parameters();
        double low = p.get(1);
        double high = p.get(2);
        double original = p.get(3);
        InvalidRequestException.check(
                low > 0 && high > low && original > 0, "Llama-3 RoPE parameters", p, "low < high");
        double turns = original * plain / (2 * StrictMath.PI);
        if (turns > high) {
            return plain;
        }
        if (turns < low) {
            return plain / factor(rope);
        }
        double share = (turns - low) / (high - low);
        return (1 - share) * plain / factor(rope) + share * plain;
    }

    private static double factor(Rope rope) {
        double factor = rope.parameters().getFirst();
        InvalidRequestException.check(factor > 0, "RoPE scaling factor", factor, "above 0");
        return factor;
    }
}
