package io.kvtier.codec.entropy;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/** As many symbols at a time as {@link VectorSteps} takes lanes. */
final class VectorCoding implements LaneCoding {
    private static final VectorSpecies<Integer> WIDE = VectorSteps.WIDE;
    private static final int WIDTH = VectorSteps.WIDTH;
    private static final VectorShuffle<Integer> REVERSE =
            VectorShuffle.fromOp(WIDE, i -> WIDTH - 1 - i);

    /** Bits of 2^32 and 2^23 as floats. */
    private static final int TWO_32 = 0x4F800000;

    private static final int TWO_23 = 0x4B000000;

    private final GaussianTables tables = GaussianTables.standard();
    private final ScalarCoding rest = new ScalarCoding();
    private final int[] index = new int[WIDTH];
    private final int[] reversed = new int[32];

    @Override
    public boolean row(int rowIndex, TokenTables tokens, int[] q, int from, int[] ops, int at) {
        VectorMask<Integer> missing = WIDE.maskAll(false);
        int wide = tokens.tokens & -WIDTH;
        for (int t = 0; t < wide; t += WIDTH) {
            IntVector h = IntVector.fromArray(WIDE, q, from + t).max(-31).min(31);
            VectorSteps.tables(rowIndex, tokens, t)
                    .lanewise(VectorOperators.LSHL, 6)
                    .add(h)
                    .add(GaussianTables.ENCODE_ZERO)
                    .intoArray(index, 0);
            IntVector op = IntVector.fromArray(WIDE, tables.encode, 0, index, 0);
            missing = missing.or(op.eq(0));
            op.intoArray(ops, at + t);
        }
        return rest.row(rowIndex, tokens, q, from, ops, at, wide) && !missing.anyTrue();
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
        VectorMask<Integer> wrong = WIDE.maskAll(false);
        int wide = tokens.tokens & -WIDTH;
        for (int t = 0; t < wide; t += WIDTH) {
            IntVector q = IntVector.fromArray(WIDE, coarse, from + t);
            IntVector digit = IntVector.fromArray(WIDE, fine, from + t).sub(q.mul(3));
            IntVector certain = IntVector.fromArray(WIDE, tokens.certain, t); // 0 or −1
            wrong = wrong.or(digit.abs().compare(VectorOperators.GT, certain.add(1)));
            IntVector place = digit.blend(digit.neg(), q.lt(0)).max(-1).min(1);
            IntVector context =
                    IntVector.fromArray(WIDE, tokens.shift, t)
                            .add(rowIndex)
                            .max(0)
                            .min(GaussianTables.TABLES - 1)
                            .lanewise(VectorOperators.LSHL, 2)
                            .add(q.abs().min(3));
            context.mul(3).add(place).add(1).intoArray(index, 0);
            IntVector.fromArray(WIDE, tables.refineEncode, 0, index, 0)
                    .blend(GaussianTables.CERTAIN_OP, certain.lt(0))
                    .intoArray(ops, at + t);
        }
        return rest.refine(rowIndex, tokens, coarse, fine, from, ops, at, wide) && !wrong.anyTrue();
    }

    /* Lanes lie in descending order, as their words do. The quotient x/f is below 2^20: that of
     * floats errs by less than a quarter, so what it rounds to is right or one too many.
     */
    @Override
    public int encode(int[] ops, int count, int lanes, int[] states, int[] words) {
        if (lanes < WIDTH) {
            return rest.encode(ops, count, lanes, states, words);
        }
        for (int lane = 0; lane < lanes; lane++) {
            reversed[lane] = states[lanes - 1 - lane];
        }
        int due = 0;
        for (int i = count - WIDTH; i >= 0; i -= WIDTH) {
            int lane = lanes - WIDTH - (i & (lanes - 1));
            IntVector op = IntVector.fromArray(WIDE, ops, i).rearrange(REVERSE);
            IntVector frequency = op.lanewise(VectorOperators.LSHR, 12);
            IntVector x = IntVector.fromArray(WIDE, reversed, lane);
            VectorMask<Integer> more =
                    x.lanewise(VectorOperators.LSHR, 20).compare(VectorOperators.GE, frequency);
            x.compress(more).intoArray(words, due);
            due += more.trueCount();
            x = x.blend(x.lanewise(VectorOperators.LSHR, 16), more);
            IntVector whole =
                    unsigned(x)
                            .div((FloatVector) frequency.convert(VectorOperators.I2F, 0))
                            .add(0x1p23f)
                            .reinterpretAsInts()
                            .sub(TWO_23);
            IntVector left = x.sub(whole.mul(frequency));
            IntVector over = left.lanewise(VectorOperators.ASHR, 31);
            whole.add(over)
                    .lanewise(VectorOperators.LSHL, 12)
                    .add(left.add(over.and(frequency)))
                    .add(op.and(4095))
                    .intoArray(reversed, lane);
        }
        for (int lane = 0; lane < lanes; lane++) {
            states[lane] = reversed[lanes - 1 - lane];
        }
        return due;
    }

    private static FloatVector unsigned(IntVector x) {
        FloatVector signed = (FloatVector) x.convert(VectorOperators.I2F, 0);
        return signed.add(x.lanewise(VectorOperators.ASHR, 31).and(TWO_32).reinterpretAsFloats());
    }
}
