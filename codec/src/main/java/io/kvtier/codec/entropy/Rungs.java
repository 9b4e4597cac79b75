package io.kvtier.codec.entropy;

import io.kvtier.codec.frame.Part;

/** What embedded rungs do to table indices and steps: a rung's step is a third of the one below. */
public final class Rungs {
    /** Quarter octaves by which sigma/step grows with the rung: 4·log2(3^r), rounded. */
    private static final int[] SHIFT = {0, 6, 13, 19};

    private static final int[] POWER_OF_3 = {1, 3, 9, 27};

    /** What makes quotients positive: 3^rung times it is above 2^27 and far below 2^31. */
    private static final int[] BIAS = {0, 1 << 26, 1 << 24, 1 << 23};

    /** 2^32/3^rung, rounded up: off by 5 at most, exact in quotients of numbers below 2^29. */
    private static final long[] INVERSE = {0, 0x55555556L, 0x1C71C71DL, 0x097B425FL};

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
        int add = BIAS[rungs] * POWER_OF_3[rungs] + POWER_OF_3[rungs] / 2;
        long inverse = INVERSE[rungs];
        int bias = BIAS[rungs];
        for (int t = 0; t < span; t++) {
            out[to + t] = (int) (((q[from + t] + add) * inverse) >> 32) - bias;
        }
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
