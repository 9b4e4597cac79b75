package io.kvtier.codec.entropy;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Sixteen lanes at a time where the machine has such vectors, else eight. */
final class VectorSteps implements LaneSteps {
    /* Within a step all lanes read their slots, gather their table entries and take words in lane
     * order, without a branch on data: `expand` deals the next words to the lanes that need one.
     * Vectors of a step follow each other on the word stream but not on each other's states, so
     * their gathers overlap. States live in an array between rows; a row of 256 tokens in 32 lanes
     * is eight steps of two or four vectors.
     */
    static final VectorSpecies<Integer> WIDE =
            IntVector.SPECIES_PREFERRED.length() >= 16
                    ? IntVector.SPECIES_512
                    : IntVector.SPECIES_256;

    static final int WIDTH = WIDE.length();

    /** Whether this machine works on that many ints at once. */
    static boolean isFast() {
        return IntVector.SPECIES_PREFERRED.length() >= WIDTH;
    }

    @Override
    public void row(
            LaneDecoder d, int lanes, int rowIndex, TokenTables tokens, int[] out, int from) {
        int escapes = 0;
        int[] states = d.states;
        for (int t = 0; t < tokens.tokens; t += WIDTH) {
            int lane = t & (lanes - 1);
            IntVector x = IntVector.fromArray(WIDE, states, lane);
            IntVector table = tables(rowIndex, tokens, t);
            table.lanewise(VectorOperators.LSHL, 12).or(x.and(4095)).intoArray(d.scratch, 0);
            IntVector entry = IntVector.fromArray(WIDE, d.tables.decode, 0, d.scratch, 0);
            IntVector symbol = entry.lanewise(VectorOperators.ASHR, 24);
            IntVector frequency = entry.lanewise(VectorOperators.LSHR, 12).and(4095).add(1);
            x = frequency.mul(x.lanewise(VectorOperators.LSHR, 12)).add(entry.and(4095));
            renormalize(d, x).intoArray(states, lane);
            escapes += symbol.eq(GaussianTables.ESCAPE).trueCount();
            symbol.intoArray(out, from + t);
        }
        d.escapesSeen += escapes;
    }

    @Override
    public void refine(
            LaneDecoder d, int lanes, int rowIndex, TokenTables tokens, int[] q, int from) {
        int[] states = d.states;
        for (int t = 0; t < tokens.tokens; t += WIDTH) {
            int lane = t & (lanes - 1);
            IntVector x = IntVector.fromArray(WIDE, states, lane);
            IntVector coarse = IntVector.fromArray(WIDE, q, from + t);
            VectorMask<Integer> coded = IntVector.fromArray(WIDE, tokens.certain, t).eq(0);
            IntVector table =
                    IntVector.fromArray(WIDE, tokens.shift, t).add(rowIndex).max(0).min(63);
            table.lanewise(VectorOperators.LSHL, 2)
                    .add(coarse.lanewise(VectorOperators.ABS).min(3))
                    .intoArray(d.scratch, 0);
            IntVector both = IntVector.fromArray(WIDE, d.tables.refine, 0, d.scratch, 0);
            IntVector minus = both.and(8191);
            IntVector upTo = minus.add(both.lanewise(VectorOperators.LSHR, 13));
            IntVector slot = x.and(4095);
            VectorMask<Integer> notMinus = slot.lt(minus).not();
            VectorMask<Integer> plus = slot.lt(upTo).not();
            IntVector start = IntVector.zero(WIDE).blend(minus, notMinus).blend(upTo, plus);
            IntVector end =
                    minus.blend(upTo, notMinus).blend(IntVector.broadcast(WIDE, 4096), plus);
            IntVector digit = IntVector.broadcast(WIDE, -1).blend(0, notMinus).blend(1, plus);
            IntVector next =
                    end.sub(start).mul(x.lanewise(VectorOperators.LSHR, 12)).add(slot.sub(start));
            renormalize(d, x.blend(next, coded)).intoArray(states, lane);
            digit = digit.blend(digit.neg(), coarse.lt(0));
            coarse.mul(3).add(IntVector.zero(WIDE).blend(digit, coded)).intoArray(q, from + t);
        }
    }

    static IntVector tables(int rowIndex, TokenTables tokens, int t) {
        boolean coded = t > tokens.rawMax && t + WIDTH <= tokens.tokens;
        if (tokens.uniform && coded) {
            return IntVector.broadcast(WIDE, GaussianTables.clamp(rowIndex));
        }
        IntVector table = IntVector.fromArray(WIDE, tokens.shift, t).add(rowIndex).max(0).min(63);
        if (coded) {
            return table;
        }
        VectorMask<Integer> certain = IntVector.fromArray(WIDE, tokens.certain, t).lt(0);
        return table.blend(GaussianTables.CERTAIN, certain);
    }

    private static IntVector renormalize(LaneDecoder d, IntVector x) {
        VectorMask<Integer> low = x.lanewise(VectorOperators.LSHR, 16).eq(0);
        int count = low.trueCount();
        d.needWords(count);
        IntVector words = IntVector.fromArray(WIDE, d.words, d.wordAt).expand(low);
        d.wordAt += count;
        return x.blend(x.lanewise(VectorOperators.LSHL, 16).or(words), low);
    }
}
