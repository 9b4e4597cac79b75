package io.kvtier.codec;

import io.kvtier.codec.entropy.Rungs;
import io.kvtier.codec.frame.Span;
import java.util.Arrays;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * What the rungs of one group send and leave out, by rung and span of tokens: squared errors,
 * active components, an estimate of bits. {@link #begin}, then the components in order. Reusable,
 * not thread-safe.
 */
final class RungTally {
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;

    private final Reconstruction reconstruction;
    private final int rungs;

    /** Of head (2·rung) and tail (2·rung + 1). */
    private final int[] active;

    /** Of each rung's tokens; components of a token are summed in order, tokens at the end. */
    private final double[][] squares;

    private final float[][] steps;
    private float[] weights = new float[0];
    private int[] indices = new int[0];
    private float[] values = new float[0];
    private int tokens;
    private int cut;
    private long halfBits;

    RungTally(Reconstruction reconstruction, int rungs) {
        this.reconstruction = reconstruction;
        this.rungs = rungs;
        active = new int[2 * rungs];
        squares = new double[rungs][];
        steps = new float[rungs][];
        Arrays.fill(squares, new double[0]);
        Arrays.fill(steps, new float[0]);
    }

    /** Starts a group whose tokens have their classes; those before {@code cut} are the head. */
    void begin(GroupCode code, int n, int cut) {
        tokens = n;
        this.cut = cut;
        halfBits = 0;
        Arrays.fill(active, 0);
        if (values.length < n) {
            indices = new int[n];
            values = new float[n];
            weights = new float[n];
        }
        for (int t = 0; t < n; t++) {
            weights[t] = Math.scalb(1f, -code.classes[t]);
        }
        for (int rung = 0; rung < rungs; rung++) {
            if (squares[rung].length < n) {
                squares[rung] = new double[n];
                steps[rung] = new float[n];
            }
            Arrays.fill(squares[rung], 0);
            reconstruction.steps(code.classes, rung, steps[rung], n);
        }
    }

    /** Steps of the tokens at a rung, lent. */
    float[] steps(int rung) {
        return steps[rung];
    }

    /**
     * Adds a component.
     *
     * @param y its values, token t at {@code at + t}, as its finest indices in the code
     */
    void add(GroupCode code, int component, float[] y, int at) {
        for (int rung = 0; rung < rungs; rung++) {
            int from = rung < 2 ? 0 : cut; // heads have no rung beyond 1
            int span = tokens - from;
            Rungs.coarsen(code.q, at + from, span, rungs - 1 - rung, indices, from);
            int some = 0;
            if (isSome(from, cut)) {
                active[2 * rung] = component + 1;
                some++;
            }
            if (isSome(cut, tokens)) {
                active[2 * rung + 1] = component + 1;
                some++;
            }
            if (some == 0) {
                addSquares(y, at, from, squares[rung]);
                continue;
            }
            reconstruction.values(
                    code.sigmaIndex[component],
                    rung,
                    code,
                    steps[rung],
                    indices,
                    0,
                    values,
                    0,
                    from,
                    tokens);
            addErrors(y, at, from, squares[rung]);
            if (rung == 0) {
                halfBits += halfBits();
            }
        }
    }

    /**
     * Squared error of the head or the tail at a rung, each token's over 4^(octaves of its class):
     * what a class makes coarser matters that much less.
     */
    double error(int rung, boolean tail) {
        double sum = 0;
        for (int t = tail ? cut : 0; t < (tail ? tokens : cut); t++) {
            sum += squares[rung][t] * weights[t];
        }
        return sum;
    }

    /** 1 + the last component that is not all 0 at the rung. */
    int active(int rung, Span span) {
        int head = span.coversHead() ? active[2 * rung] : 0;
        return Math.max(head, span.coversTail() ? active[2 * rung + 1] : 0);
    }

    /** About what the group takes in a segment; exact about which are larger is nothing. */
    long estimateBits(int rung, Span span, int spanTokens) {
        long elements = (long) active(rung, span) * spanTokens;
        return rung == 0 ? (elements + halfBits) / 2 : 3 * elements / 2;
    }

    private boolean isSome(int from, int end) {
        int bits = 0;
        for (int t = from; t < end; t++) {
            bits |= indices[t];
        }
        return bits != 0;
    }

    private void addSquares(float[] y, int at, int from, double[] sums) {
        for (int t = from; t < tokens; t++) {
            double error = y[at + t];
            sums[t] += error * error;
        }
    }

    private void addErrors(float[] y, int at, int from, double[] sums) {
        for (int t = from; t < tokens; t++) {
            double error = y[at + t] - values[t];
            sums[t] += error * error;
        }
    }

    /**
     * What the base's row takes beyond a half bit an element: 1 + 3/2 of the length of each |q|.
     */
    private int halfBits() {
        int sum = 0;
        int wide = INTS.loopBound(tokens);
        for (int t = 0; t < wide; t += INTS.length()) {
            IntVector q = IntVector.fromArray(INTS, indices, t);
            if (q.eq(0).allTrue()) {
                continue;
            }
            IntVector zeros = q.abs().lanewise(VectorOperators.LEADING_ZEROS_COUNT);
            IntVector bits = IntVector.broadcast(INTS, 2 + 3 * 32).sub(zeros.mul(3));
            sum += bits.blend(0, q.eq(0)).reduceLanes(VectorOperators.ADD);
        }
        for (int t = wide; t < tokens; t++) {
            int q = Math.abs(indices[t]);
            sum += q == 0 ? 0 : 2 + 3 * (32 - Integer.numberOfLeadingZeros(q));
        }
        return sum;
    }
}
