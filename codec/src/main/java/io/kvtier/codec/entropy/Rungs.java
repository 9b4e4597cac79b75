package io.kvtier.codec.entropy;

import io.kvtier.codec.frame.Part;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** What embedded rungs do to table indices and steps: a rung's step is a third of the one below. */
public final class Rungs {
    /** Quarter octaves by which sigma/step grows with the rung: 4·log2(3^r), rounded. */
    private static final int[] SHIFT = {0, 6, 13, 19};

    private static final int[] POWER_OF_3 = {1, 3, 9, 27};

    /** What makes quotients positive: 3^rung times it is above 2^27 and far below 2^31. */
    private static final int[] BIAS = {0, 1 << 26, 1 << 24, 1 << 23};

    /** 2^32/3^rung, rounded up: off by 5 at most, exact in quotients of numbers below 2^29. */
    private static final long[] INVERSE = {0, 0x55555556L, 0x1C71C71DL, 0x097B425FL};

    /* Quotients by vectors of floats: below 2^20 they err by less than 1/20, and a fraction of 1/2
     * is at least 1/54 away from any number of 27ths; by 9 and 27 the error is less in proportion.
     */
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;

    private static final int SMALL_END = 1 << 20;

    /** What rounds a float below 2^22 to a whole number, which its low bits then are. */
    private static final float ROUNDER = 0x1.8p23f;

    private static final int ROUNDER_BITS = Float.floatToRawIntBits(ROUNDER);

    private Rungs() {}

    /** Shift of the table index at a rung. */
    public static int shift(int rung) {
        return SHIFT[rung];
    }

    /** 3^rung. */
    public static int scale(int rung) {
        return POWER_OF_3[rung];
    }

    /**
     * Indices some rungs lower: {@code out[to + t] = q[from + t]/3^rungs}, rounded, for |q| < 2^27.
     *
     * @param span of tokens
     */
    public static void coarsen(int[] q, int from, int span, int rungs, int[] out, int to) {
        if (rungs == 0) {
            System.arraycopy(q, from, out, to, span);
            return;
        }
        float inverse = 1f / POWER_OF_3[rungs];
        IntVector magnitudes = IntVector.zero(INTS);
        int wide = INTS.loopBound(span);
        for (int t = 0; t < wide; t += INTS.length()) {
            IntVector value = IntVector.fromArray(INTS, q, from + t);
            magnitudes = magnitudes.or(value.abs());
            ((FloatVector) value.convert(VectorOperators.I2F, 0))
                    .mul(inverse)
                    .add(ROUNDER)
                    .reinterpretAsInts()
                    .sub(ROUNDER_BITS)
                    .intoArray(out, to + t);
        }
        int small = magnitudes.reduceLanes(VectorOperators.OR);
        for (int t = small < SMALL_END ? wide : 0; t < span; t++) {
            out[to + t] = coarser(q[from + t], rungs);
        }
    }

    private static int coarser(int q, int rungs) {
        long add = (long) BIAS[rungs] * POWER_OF_3[rungs] + POWER_OF_3[rungs] / 2;
        return (int) (((q + add) * INVERSE[rungs]) >> 32) - BIAS[rungs];
    }

    /** The index one rung lower: q/3 rounded, which has no ties. */
    public static int coarser(int q) {
        return Math.floorDiv(q + 1, 3);
    }

    static {
        if (SHIFT.length != Part.RUNGS_MAX) {
            throw new AssertionError("a shift for each rung");
        }
    }
}
