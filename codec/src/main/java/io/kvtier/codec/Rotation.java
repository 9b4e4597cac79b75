package io.kvtier.codec;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Rope;
import java.util.List;

/**
 * Cosines and sines of one RoPE setting at the positions of one chunk. Rows of a key head are
 * channel-major: channel i at {@code from + i·stride + t}.
 *
 * <p>J. Su et al., RoFormer, arXiv 2104.09864; Llama-3 scaling as in Meta's reference code.
 */
final class Rotation {
    private final Rope rope;
    private final int tokens;
    private final float[] cos;
    private final float[] sin;

    Rotation(Rope rope, int firstPosition, int tokens) {
        this.rope = rope;
        this.tokens = tokens;
        int pairs = rope.rotaryDims() / 2;
        cos = new float[pairs * tokens];
        sin = new float[pairs * tokens];
        for (int pair = 0; pair < pairs; pair++) {
            double frequency = frequency(rope, pair);
            for (int t = 0; t < tokens; t++) {
                double angle = ((double) firstPosition + t) * frequency;
                cos[pair * tokens + t] = (float) StrictMath.cos(angle);
                sin[pair * tokens + t] = (float) StrictMath.sin(angle);
            }
        }
    }

    boolean isNone() {
        return cos.length == 0;
    }

    /** Rotates a head's rows forwards (apply) or backwards (undo). */
    void rotate(float[] rows, int from, int stride, boolean apply) {
        int pairs = rope.rotaryDims() / 2;
        boolean half = rope.style() == Rope.Style.ROTATE_HALF;
        for (int pair = 0; pair < pairs; pair++) {
            int a = from + (half ? pair : 2 * pair) * stride;
            int b = from + (half ? pair + pairs : 2 * pair + 1) * stride;
            int at = pair * tokens;
            for (int t = 0; t < tokens; t++) {
                float x = rows[a + t];
                float y = rows[b + t];
                float c = cos[at + t];
                float s = apply ? sin[at + t] : -sin[at + t];
                rows[a + t] = x * c - y * s;
                rows[b + t] = y * c + x * s;
            }
        }
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
