package io.kvtier.codec;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Products of a group's few values that are not 0 with its synthesis matrix: {@link #begin}, the
 * components in order, {@link #write}. Each output starts at the channel's mean and adds component
 * after component, a multiplication and an addition rounded apart, so that every machine and vector
 * width gives the same bits. Reusable, not thread-safe.
 */
final class Synthesis {
    /* Vectors lie along channels: a token meets only the components that it has, and the result
     * lies as tensors do. Most values are 0, but those of neighbours are so together; two tokens
     * share the load of a matrix row. Their sums of PANEL channels stay in registers while the
     * rows of their components pass by, packed to lie one behind the other in the nearest caches.
     */
    private static final VectorSpecies<Float> WIDE = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = WIDE.length();
    private static final int PANEL = 4 * LANES;
    private static final long EVEN = 0x5555555555555555L;

    private int tokens;
    private int capacity;
    private int slots;

    /** Components that were added, by slot. */
    private int[] components = new int[0];

    /** Entries of each pair of tokens. */
    private int[] counts = new int[0];

    /** Of entry e of pair p, at p·capacity + e: where its slot's row begins in a panel. */
    private int[] rows = new int[0];

    /** Values of both tokens of an entry, one behind the other. */
    private float[] values = new float[0];

    private float[] panel = new float[0];
    private final float[] mean = new float[PANEL];

    /** Floats from a token to the next in an output of {@code width} channels. */
    static int stride(int width) {
        return (width + PANEL - 1) / PANEL * PANEL;
    }

    /** Floats of an output, with what may be written behind its end. */
    static int size(int tokens, int width) {
        return (tokens + 1) / 2 * 2 * stride(width);
    }

    /** Floats of a row of values: zeros follow the tokens. */
    static int rowSize(int tokens) {
        return tokens + LANES;
    }

    /** Starts a group of up to {@code rank} components. */
    void begin(int rank, int tokenCount) {
        tokens = tokenCount;
        capacity = rank;
        slots = 0;
        int pairs = (tokens + 1) / 2;
        if (rows.length < pairs * rank) {
            rows = new int[pairs * rank];
            values = new float[2 * pairs * rank];
        }
        if (counts.length < pairs) {
            counts = new int[pairs];
        }
        if (components.length < rank) {
            components = new int[rank];
            panel = new float[rank * PANEL];
        }
        java.util.Arrays.fill(counts, 0, pairs, 0);
    }

    /** Adds the next component, whose row of values has {@link #rowSize} floats. */
    void add(int component, float[] row) {
        int at = slots * PANEL;
        components[slots++] = component;
        for (int t = 0; t < tokens; t += LANES) {
            long some = FloatVector.fromArray(WIDE, row, t).compare(VectorOperators.NE, 0).toLong();
            long pairs = (some | some >>> 1) & EVEN;
            for (; pairs != 0; pairs &= pairs - 1) {
                int first = t + Long.numberOfTrailingZeros(pairs);
                int entry = first / 2 * capacity + counts[first / 2]++;
                rows[entry] = at;
                values[2 * entry] = row[first];
                values[2 * entry + 1] = row[first + 1];
            }
        }
    }

    /**
     * Writes channel w of token t to {@code x[t·stride(width) + w]}.
     *
     * @param matrix [R][width]
     * @param x of {@link #size} floats
     */
    void write(float[] matrix, int width, float[] means, float[] x) {
        int stride = stride(width);
        for (int w = 0; w < width; w += PANEL) {
            int channels = Math.min(PANEL, width - w);
            System.arraycopy(means, w, mean, 0, channels);
            pack(matrix, w, width, channels);
            for (int pair = 0; 2 * pair < tokens; pair++) {
                int from = pair * capacity;
                sum(from, from + counts[pair], x, 2 * pair * stride + w, stride);
            }
        }
    }

    private void pack(float[] matrix, int from, int width, int channels) {
        for (int slot = 0; slot < slots; slot++) {
            int row = components[slot] * width + from;
            if (channels < PANEL) {
                System.arraycopy(matrix, row, panel, slot * PANEL, channels);
                continue;
            }
            for (int i = 0; i < PANEL; i += LANES) {
                FloatVector.fromArray(WIDE, matrix, row + i).intoArray(panel, slot * PANEL + i);
            }
        }
    }

    private void sum(int from, int end, float[] x, int at, int stride) {
        FloatVector a0 = FloatVector.fromArray(WIDE, mean, 0);
        FloatVector a1 = FloatVector.fromArray(WIDE, mean, LANES);
        FloatVector a2 = FloatVector.fromArray(WIDE, mean, 2 * LANES);
        FloatVector a3 = FloatVector.fromArray(WIDE, mean, 3 * LANES);
        FloatVector b0 = a0;
        FloatVector b1 = a1;
        FloatVector b2 = a2;
        FloatVector b3 = a3;
        for (int entry = from; entry < end; entry++) {
            int row = rows[entry];
            FloatVector a = FloatVector.broadcast(WIDE, values[2 * entry]);
            FloatVector b = FloatVector.broadcast(WIDE, values[2 * entry + 1]);
            FloatVector m0 = FloatVector.fromArray(WIDE, panel, row);
            a0 = a0.add(m0.mul(a));
            b0 = b0.add(m0.mul(b));
            FloatVector m1 = FloatVector.fromArray(WIDE, panel, row + LANES);
            a1 = a1.add(m1.mul(a));
            b1 = b1.add(m1.mul(b));
            FloatVector m2 = FloatVector.fromArray(WIDE, panel, row + 2 * LANES);
            a2 = a2.add(m2.mul(a));
            b2 = b2.add(m2.mul(b));
            FloatVector m3 = FloatVector.fromArray(WIDE, panel, row + 3 * LANES);
            a3 = a3.add(m3.mul(a));
            b3 = b3.add(m3.mul(b));
        }
        a0.intoArray(x, at);
        a1.intoArray(x, at + LANES);
        a2.intoArray(x, at + 2 * LANES);
        a3.intoArray(x, at + 3 * LANES);
        b0.intoArray(x, at + stride);
        b1.intoArray(x, at + stride + LANES);
        b2.intoArray(x, at + stride + 2 * LANES);
        b3.intoArray(x, at + stride + 3 * LANES);
    }
}
