package io.kvtier.codec.entropy;

/** One symbol after the other: the reference, and the path of machines without wide vectors. */
final class ScalarCoding implements LaneCoding {
    private static final double[] INVERSE = inverses();

    private final GaussianTables tables = GaussianTables.standard();

    @Override
    public boolean row(int rowIndex, TokenTables tokens, int[] q, int from, int[] ops, int at) {
        return row(rowIndex, tokens, q, from, ops, at, 0);
    }

    /** From a token on. */
    boolean row(int rowIndex, TokenTables tokens, int[] q, int from, int[] ops, int at, int first) {
        boolean clean = true;
        for (int t = first; t < tokens.tokens; t++) {
            int h = Math.min(Math.max(q[from + t], -31), 31);
            int table = tokens.table(t, rowIndex);
            ops[at + t] = tables.encode[table * 64 + GaussianTables.ENCODE_ZERO + h];
            clean &= ops[at + t] != 0;
        }
        return clean;
    }

    @Override
    public boolean refine(
            int rowIndex,
            TokenTables tokens,
            int[] coarse,
            int[] fine,
            int from,
            int[] ops,
            int at) {
        return refine(rowIndex, tokens, coarse, fine, from, ops, at, 0);
    }

    /** From a token on. */
    boolean refine(
            int rowIndex,
            TokenTables tokens,
            int[] coarse,
            int[] fine,
            int from,
            int[] ops,
            int at,
            int first) {
        boolean clean = true;
        for (int t = first; t < tokens.tokens; t++) {
            int q = coarse[from + t];
            int digit = fine[from + t] - 3 * q;
            if (tokens.certain[t] != 0) {
                clean &= digit == 0;
                ops[at + t] = GaussianTables.CERTAIN_OP;
                continue;
            }
            clean &= digit >= -1 && digit <= 1;
            int context = tokens.table(t, rowIndex) * 4 + Math.min(Math.abs(q), 3);
            int place = Math.min(Math.max(q < 0 ? -digit : digit, -1), 1);
            ops[at + t] = tables.refineEncode[3 * context + 1 + place];
        }
        return clean;
    }

    /* Whether a lane gives a word is as good as random, so there is no branch on it: the word is
     * always written and counted when due. The quotient x/f comes from a product with 1/f: (x +
     * 1/2)/f is at least 1/(2f) > 1e-4 from any integer, and the product errs by less than 1e-5.
     */
    @Override
    public int encode(int[] ops, int count, int lanes, int[] states, int[] words) {
        int due = 0;
        for (int i = count - 1; i >= 0; i--) {
            int frequency = ops[i] >>> 12;
            int lane = i & (lanes - 1);
            long x = Integer.toUnsignedLong(states[lane]);
            words[due] = (int) x;
            int more = x >= (long) frequency << 20 ? 1 : 0;
            due += more;
            x >>>= more << 4;
            long whole = (long) ((x + 0.5) * INVERSE[frequency]);
            states[lane] = (int) ((whole << 12) + x - whole * frequency + (ops[i] & 4095));
        }
        return due;
    }

    private static double[] inverses() {
        double[] out = new double[GaussianTables.SLOTS + 1];
        for (int frequency = 1; frequency < out.length; frequency++) {
            out[frequency] = 1.0 / frequency;
        }
        return out;
    }
}
