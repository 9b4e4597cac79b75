package io.kvtier.codec.method.policy;

import io.kvtier.codec.method.Scores;
import java.util.Arrays;
import java.util.function.IntPredicate;

/** Orders tokens by score: equal scores to the lower position, everywhere alike. */
final class Ranking {
    private Ranking() {}

    /** The indices 0..count−1 by falling {@code values[from + index]}, ties to the lower index. */
    static int[] descending(float[] values, int from, int count) {
        long[] keys = new long[count];
        for (int i = 0; i < count; i++) {
            int bits = Float.floatToIntBits(values[from + i] + 0f); // −0 as 0
            int rising = bits ^ (bits >> 31 & Integer.MAX_VALUE);
            keys[i] = (long) ~rising << 32 | i;
        }
        Arrays.sort(keys);
        int[] out = new int[count];
        for (int i = 0; i < count; i++) {
            out[i] = (int) keys[i];
        }
        return out;
    }

    /**
     * The scores with some tokens of every head above all others, in their order among themselves.
     */
    static Scores raise(Scores scores, IntPredicate raised) {
        float step = step(scores);
        Scores out = copy(scores);
        for (float[] layer : out.values()) {
            for (int i = 0; i < layer.length; i++) {
                layer[i] += raised.test(i % scores.tokens()) ? step : 0;
            }
        }
        return out;
    }

    /** More than any two scores differ by. */
    static float step(Scores scores) {
        float largest = 0;
        for (float[] layer : scores.values()) {
            for (float value : layer) {
                largest = Math.max(largest, Math.abs(value));
            }
        }
        return 2 * largest + 1;
    }

    /** A copy to write into. */
    static Scores copy(Scores scores) {
        float[][] values = new float[scores.values().length][];
        for (int layer = 0; layer < values.length; layer++) {
            values[layer] = scores.values()[layer].clone();
        }
        return new Scores(scores.kvHeads(), scores.tokens(), values);
    }
}
