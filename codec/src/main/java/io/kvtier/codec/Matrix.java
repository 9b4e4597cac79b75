package io.kvtier.codec;

/**
 * Products of a small matrix with rows of floats that lie along tokens. Each output sums in a fixed
 * order, a multiplication and an addition rounded apart, so that every machine gives the same bits;
 * compilers make vectors of the loops over tokens.
 */
final class Matrix {
    private static final int UNROLL = 4;

    private Matrix() {}

    /** {@code y[c] = Σ_w matrix[c][w]·x[w]}, w ascending; rows of {@code n} floats. */
    static void analyze(float[] matrix, int rank, int width, float[] x, float[] y, int n) {
        for (int c = 0; c < rank; c++) {
            java.util.Arrays.fill(y, c * n, c * n + n, 0);
            int w = 0;
            for (; w + UNROLL <= width; w += UNROLL) {
                int at = c * width + w;
                add4(
                        matrix[at],
                        matrix[at + 1],
                        matrix[at + 2],
                        matrix[at + 3],
                        x,
                        w * n,
                        (w + 1) * n,
                        (w + 2) * n,
                        (w + 3) * n,
                        y,
                        c * n,
                        n);
            }
            for (; w < width; w++) {
                add(matrix[c * width + w], x, w * n, y, c * n, n);
            }
        }
    }

    /** {@code x[w] += Σ matrix[c][w]·y[c]} over the components c that {@code live} lists. */
    static void synthesize(
            float[] matrix, int[] live, int count, int width, float[] y, float[] x, int n) {
        for (int w = 0; w < width; w++) {
            for (int i = 0; i + UNROLL <= count; i += UNROLL) {
                int c0 = live[i];
                int c1 = live[i + 1];
                int c2 = live[i + 2];
                int c3 = live[i + 3];
                float a0 = matrix[c0 * width + w];
                float a1 = matrix[c1 * width + w];
                float a2 = matrix[c2 * width + w];
                float a3 = matrix[c3 * width + w];
                add4(a0, a1, a2, a3, y, c0 * n, c1 * n, c2 * n, c3 * n, x, w * n, n);
            }
            for (int i = count - count % UNROLL; i < count; i++) {
                add(matrix[live[i] * width + w], y, live[i] * n, x, w * n, n);
            }
        }
    }

    private static void add(float a, float[] x, int from, float[] y, int to, int n) {
        for (int t = 0; t < n; t++) {
            y[to + t] += a * x[from + t];
        }
    }

    private static void add4(
            float a0,
            float a1,
            float a2,
            float a3,
            float[] x,
            int x0,
            int x1,
            int x2,
            int x3,
            float[] y,
            int to,
            int n) {
        for (int t = 0; t < n; t++) {
            y[to + t] =
                    (((y[to + t] + a0 * x[x0 + t]) + a1 * x[x1 + t]) + a2 * x[x2 + t])
                            + a3 * x[x3 + t];
        }
    }
}
