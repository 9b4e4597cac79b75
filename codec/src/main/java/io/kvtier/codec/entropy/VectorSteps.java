package io.kvtier.codec.entropy;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Eight lanes at a time. */
final class VectorSteps implements LaneSteps {
    /* Within a step all lanes read their slots, gather their table entries and take words in lane
     * order, without a branch on data: `expand` deals the next words to the lanes that need one.
     * Vectors of a step follow each other on the word stream but not on each other's states, so
     * their gathers overlap. States live in an array between rows; a row of 256 tokens is eight
     * steps of four vectors.
     */
    private static final VectorSpecies<Integer> EIGHT = IntVector.SPECIES_256;
    private static final int WIDTH = 8;

    /** Whether this machine works on eight ints at once. */
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
            IntVector x = IntVector.fromArray(EIGHT, states, lane);
            IntVector table = tables(rowIndex, tokens, t);
            table.lanewise(VectorOperators.LSHL, 12).or(x.and(4095)).intoArray(d.scratch, 0);
            IntVector entry = IntVector.fromArray(EIGHT, d.tables.decode, 0, d.scratch, 0);
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
            IntVector x = IntVector.fromArray(EIGHT, states, lane);
            IntVector coarse = IntVector.fromArray(EIGHT, q, from + t);
            VectorMask<Integer> coded = IntVector.fromArray(EIGHT, tokens.certain, t).eq(0);
            IntVector table =
                    IntVector.fromArray(EIGHT, tokens.shift, t).add(rowIndex).max(0).min(63);
            table.lanewise(VectorOperators.LSHL, 2)
                    .add(coarse.lanewise(VectorOperators.ABS).min(3))
                    .intoArray(d.scratch, 0);
            IntVector both = IntVector.fromArray(EIGHT, d.tables.refine, 0, d.scratch, 0);
            IntVector minus = both.and(8191);
            IntVector upTo = minus.add(both.lanewise(VectorOperators.LSHR, 13));
            IntVector slot = x.and(4095);
            VectorMask<Integer> notMinus = slot.lt(minus).not();
            VectorMask<Integer> plus = slot.lt(upTo).not();
            IntVector start = IntVector.zero(EIGHT).blend(minus, notMinus).blend(upTo, plus);
            IntVector end =
                    minus.blend(upTo, notMinus).blend(IntVector.broadcast(EIGHT, 4096), plus);
            IntVector digit = IntVector.broadcast(EIGHT, -1).blend(0, notMinus).blend(1, plus);
            IntVector next =
                    end.sub(start).mul(x.lanewise(VectorOperators.LSHR, 12)).add(slot.sub(start));
            renormalize(d, x.blend(next, coded)).intoArray(states, lane);
            digit = digit.blend(digit.neg(), coarse.lt(0));
            coarse.mul(3).add(IntVector.zero(EIGHT).blend(digit, coded)).intoArray(q, from + t);
        }
    }

    static IntVector tables(int rowIndex, TokenTables tokens, int t) {
        if (tokens.uniform && t + WIDTH <= tokens.tokens) {
            return IntVector.broadcast(EIGHT, GaussianTables.clamp(rowIndex));
        }
        IntVector table = IntVector.fromArray(EIGHT, tokens.shift, t).add(rowIndex).max(0).min(63);
        VectorMask<Integer> certain = IntVector.fromArray(EIGHT, tokens.certain, t).lt(0);
        return table.blend(GaussianTables.CERTAIN, certain);
    }

    private static IntVector renormalize(LaneDecoder d, IntVector x) {
        VectorMask<Integer> low = x.lanewise(VectorOperators.LSHR, 16).eq(0);
        int count = low.trueCount();
        d.needWords(count);
        IntVector words = IntVector.fromArray(EIGHT, d.words, d.wordAt).expand(low);
        d.wordAt += count;
        return x.blend(x.lanewise(VectorOperators.LSHL, 16).or(words), low);
    }
}
