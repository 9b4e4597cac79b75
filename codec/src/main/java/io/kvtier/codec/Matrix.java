package io.kvtier.codec;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Products of a small matrix with rows of floats that lie along tokens. Each output sums in a fixed
 * order, a multiplication and an addition rounded apart, so that every machine and vector width
 * gives the same bits. Reusable, not thread-safe.
 */
final class Matrix {
    /* Vectors lie along tokens, so no sum is split among lanes. Four outputs by two vectors of
     * tokens stay in registers while the inputs of these tokens pass by, packed one behind the
     * other: rows of 256 floats would fall into the same few cache sets. Rows that are 0 in a block
     * of tokens are left out, which changes no sum.
     */
    private static final VectorSpecies<Float> WIDE = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = WIDE.length();
    private static final int BLOCK = 2 * LANES;
    private static final int TILE = 4;

    private final float[] sums = new float[TILE * BLOCK];
    private float[] packed = new float[0];
    private int[] offsets = new int[0];

    /** {@code y[c] = Σ_w matrix[c][w]·x[w]}, w ascending; rows of {@code n} floats. */
    void analyze(float[] matrix, int rank, int width, float[] x, float[] y, int n) {
        reserve(width);
        for (int t = 0; t < n; t += BLOCK) {
            int tokens = Math.min(BLOCK, n - t);
            int used = 0;
            for (int w = 0; w < width; w++) {
                offsets[used] = w;
                used += pack(x, w * n + t, tokens, used) ? 1 : 0;
            }
            for (int c = 0; c < rank; c += TILE) {
                Arrays.fill(sums, 0);
                int rows = Math.min(TILE, rank - c);
                accumulate(matrix, c * width, width, rows, used);
                for (int j = 0; j < rows; j++) {
                    System.arraycopy(sums, j * BLOCK, y, (c + j) * n + t, tokens);
                }
            }
        }
    }

    /** {@code x[w] += Σ matrix[c][w]·y[c]} over the components c that {@code live} lists. */
    void synthesize(float[] matrix, int[] live, int count, int width, float[] y, float[] x, int n) {
        reserve(count);
        for (int t = 0; t < n; t += BLOCK) {
            int tokens = Math.min(BLOCK, n - t);
            int used = 0;
            for (int i = 0; i < count; i++) {
                offsets[used] = live[i] * width;
                used += pack(y, live[i] * n + t, tokens, used) ? 1 : 0;
            }
            for (int w = 0; w < width; w += TILE) {
                int rows = Math.min(TILE, width - w);
                for (int j = 0; j < rows; j++) {
                    System.arraycopy(x, (w + j) * n + t, sums, j * BLOCK, tokens);
                }
                accumulate(matrix, w, 1, rows, used);
                for (int j = 0; j < rows; j++) {
                    System.arraycopy(sums, j * BLOCK, x, (w + j) * n + t, tokens);
                }
            }
        }
    }

    private void reserve(int rows) {
        if (offsets.length < rows) {
            offsets = new int[rows];
            packed = new float[rows * BLOCK];
        }
    }

    /** Copies tokens of a row, zeros behind them; says whether there is anything but zeros. */
    private boolean pack(float[] rows, int from, int tokens, int row) {
        int at = row * BLOCK;
        System.arraycopy(rows, from, packed, at, tokens);
        Arrays.fill(packed, at + tokens, at + BLOCK, 0);
        boolean any = false;
        for (int i = at; i < at + tokens; i++) {
            any |= packed[i] != 0;
        }
        return any;
    }

    /** {@code sums[j] += Σ_i matrix[offsets[i] + at + j·stride]·packed[i]} for j below rows. */
    private void accumulate(float[] matrix, int at, int stride, int rows, int count) {
        if (rows == TILE) {
            four(matrix, at, stride, count);
            return;
        }
        for (int j = 0; j < rows; j++) {
            one(matrix, at + j * stride, j * BLOCK, count);
        }
    }

    private void four(float[] matrix, int at, int stride, int count) {
        FloatVector a0 = FloatVector.fromArray(WIDE, sums, 0);
        FloatVector b0 = FloatVector.fromArray(WIDE, sums, LANES);
        FloatVector a1 = FloatVector.fromArray(WIDE, sums, BLOCK);
        FloatVector b1 = FloatVector.fromArray(WIDE, sums, BLOCK + LANES);
        FloatVector a2 = FloatVector.fromArray(WIDE, sums, 2 * BLOCK);
        FloatVector b2 = FloatVector.fromArray(WIDE, sums, 2 * BLOCK + LANES);
        FloatVector a3 = FloatVector.fromArray(WIDE, sums, 3 * BLOCK);
        FloatVector b3 = FloatVector.fromArray(WIDE, sums, 3 * BLOCK + LANES);
        for (int i = 0; i < count; i++) {
            FloatVector a = FloatVector.fromArray(WIDE, packed, i * BLOCK);
            FloatVector b = FloatVector.fromArray(WIDE, packed, i * BLOCK + LANES);
            int from = offsets[i] + at;
            FloatVector m0 = FloatVector.broadcast(WIDE, matrix[from]);
            FloatVector m1 = FloatVector.broadcast(WIDE, matrix[from + stride]);
            a0 = a0.add(a.mul(m0));
            b0 = b0.add(b.mul(m0));
            a1 = a1.add(a.mul(m1));
            b1 = b1.add(b.mul(m1));
            FloatVector m2 = FloatVector.broadcast(WIDE, matrix[from + 2 * stride]);
            FloatVector m3 = FloatVector.broadcast(WIDE, matrix[from + 3 * stride]);
            a2 = a2.add(a.mul(m2));
            b2 = b2.add(b.mul(m2));
            a3 = a3.add(a.mul(m3));
            b3 = b3.add(b.mul(m3));
        }
        a0.intoArray(sums, 0);
        b0.intoArray(sums, LANES);
        a1.intoArray(sums, BLOCK);
        b1.intoArray(sums, BLOCK + LANES);
        a2.intoArray(sums, 2 * BLOCK);
        b2.intoArray(sums, 2 * BLOCK + LANES);
        a3.intoArray(sums, 3 * BLOCK);
        b3.intoArray(sums, 3 * BLOCK + LANES);
    }

    private void one(float[] matrix, int at, int sum, int count) {
        FloatVector a = FloatVector.fromArray(WIDE, sums, sum);
        FloatVector b = FloatVector.fromArray(WIDE, sums, sum + LANES);
        for (int i = 0; i < count; i++) {
            float m = matrix[offsets[i] + at];
            a = a.add(FloatVector.fromArray(WIDE, packed, i * BLOCK).mul(m));
            b = b.add(FloatVector.fromArray(WIDE, packed, i * BLOCK + LANES).mul(m));
        }
        a.intoArray(sums, sum);
        b.intoArray(sums, sum + LANES);
    }
}
