package io.kvtier.codec.entropy;

/** One lane after the other: the reference, and the path of machines without wide vectors. */
final class ScalarSteps implements LaneSteps {
    @Override
    public void row(
            LaneDecoder d, int lanes, int rowIndex, TokenTables tokens, int[] out, int from) {
        for (int t = 0; t < tokens.tokens; t++) {
            int table = tokens.table(t, rowIndex);
            int lane = t & (lanes - 1);
            int x = d.states[lane];
            int entry = d.tables.decode[table * GaussianTables.SLOTS + (x & 4095)];
            int symbol = entry >> 24;
            x = ((entry >>> 12 & 4095) + 1) * (x >>> 12) + (entry & 4095);
            d.states[lane] = renormalize(d, x);
            d.escapesSeen += symbol == GaussianTables.ESCAPE ? 1 : 0;
            out[from + t] = symbol;
        }
    }

    @Override
    public void refine(
            LaneDecoder d, int lanes, int rowIndex, TokenTables tokens, int[] q, int from) {
        for (int t = 0; t < tokens.tokens; t++) {
            int coarse = q[from + t];
            int digit = 0;
            if (tokens.certain[t] == 0) {
                int context = tokens.table(t, rowIndex) * 4 + Math.min(Math.abs(coarse), 3);
                digit = digit(d, t & (lanes - 1), d.tables.refine[context]);
            }
            q[from + t] = 3 * coarse + (coarse < 0 ? -digit : digit);
        }
    }

    private static int digit(LaneDecoder d, int lane, int frequencies) {
        int minus = frequencies & 8191;
        int zero = frequencies >>> 13;
        int x = d.states[lane];
        int slot = x & 4095;
        int digit = slot < minus ? -1 : slot < minus + zero ? 0 : 1;
        int start = digit < 0 ? 0 : digit == 0 ? minus : minus + zero;
        int frequency = digit < 0 ? minus : digit == 0 ? zero : 4096 - minus - zero;
        d.states[lane] = renormalize(d, frequency * (x >>> 12) + slot - start);
        return digit;
    }

    private static int renormalize(LaneDecoder d, int x) {
        if (x >>> 16 != 0) {
            return x;
        }
        d.needWords(1);
        return x << 16 | d.words[d.wordAt++];
    }
}
