package io.kvtier.codec.entropy;

import io.kvtier.codec.frame.Part;

/** What embedded rungs do to table indices and steps: a rung's step is a third of the one below. */
public final class Rungs {
    /** Quarter octaves by which sigma/step grows with the rung: 4·log2(3^r), rounded. */
    private static final int[] SHIFT = {0, 6, 13, 19};

    private static final int[] POWER_OF_3 = {1, 3, 9, 27};

    private Rungs() {}

    /** Shift of the table index at a rung. */
    public static int shift(int rung) {
        return SHIFT[rung];
    }

    /** 3^rung. */
    public static int scale(int rung) {
        return POWER_OF_3[rung];
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
