package io.kvtier.storage.log;

/**
 * How long a value lasts until the next put of its key replaces it, counted in puts of the store,
 * as a code of eight bits: 0 is unknown, else 1 + 8 · log2 of the interval.
 *
 * <p>Values that are replaced about equally often die about equally soon, so they belong into the
 * same segments (as SepBIT has it, Wang et al., FAST 2022, who infer it from the last interval
 * alone; here it is a running mean of the logarithms).
 */
final class Interval {
    static final int CODE_MAX = 255;
    static final int UNKNOWN = 0;

    private static final double STEPS_PER_OCTAVE = 8;

    /** Bits of a class: each reaches four times as far as the one before it. */
    private static final int CLASS_BITS = 2;

    /** What the newest interval counts in the mean. */
    private static final double WEIGHT = 0.25;

    private Interval() {}

    /** The code of an interval of at least 1. */
    static int code(long puts) {
        double octaves = Math.log((double) puts) / Math.log(2);
        return (int) Math.min(CODE_MAX, 1 + Math.round(STEPS_PER_OCTAVE * octaves));
    }

    /** The mean with another interval in it. */
    static int blend(int known, long puts) {
        int latest = code(puts);
        return known == UNKNOWN ? latest : (int) Math.round(known + WEIGHT * (latest - known));
    }

    /**
     * Which of the classes it belongs to, 0 being the shortest intervals; -1 for longer ones than
     * there are values, and for unknown ones. The last class reaches to the count of values.
     */
    static int classOf(int code, int classes, int values) {
        if (code == UNKNOWN || values < 1) {
            return -1;
        }
        for (int each = 0; each < classes; each++) {
            long limit = (long) values >> (CLASS_BITS * (classes - 1 - each));
            if (limit > 0 && code < code(limit)) {
                return each;
            }
        }
        return -1;
    }
}
