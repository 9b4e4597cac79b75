package io.kvtier.codec.method.stage;

/**
 * Eigenvectors of a symmetric matrix: Householder reflections to three diagonals, then QL steps
 * with implicit shifts (G. Golub, C. Van Loan, Matrix Computations, 8.3). In a fixed order: the
 * same on every machine.
 *
 * @param values eigenvalues, falling
 * @param vectors {@code [n, n]}, column j belongs to value j; its largest element is positive
 */
@SuppressWarnings("ArrayRecordComponent")
record SymmetricEigen(double[] values, double[] vectors) {
    private static final int STEPS_MAX = 60;

    static SymmetricEigen of(double[] matrix, int n) {
        double[] a = matrix.clone();
        double[] diagonal = new double[n];
        double[] beside = new double[n];
        double[] rows = reflect(a, n, diagonal, beside);
        for (int l = 0; l < n; l++) {
            iterate(l, n, diagonal, beside, rows);
        }
        return sorted(diagonal, rows, n);
    }

    /**
     * Makes the matrix tridiagonal by one reflection a column, H = I − w·wᵀ with ‖w‖² = 2.
     *
     * @param a overwritten
     * @param beside [i] = element (i, i + 1)
     * @return the product of the reflections, transposed: row j is the j-th basis vector
     */
    private static double[] reflect(double[] a, int n, double[] diagonal, double[] beside) {
        double[][] reflections = new double[n][];
        for (int k = 0; k + 2 < n; k++) {
            double[] w = reflection(a, n, k);
            reflections[k] = w;
            apply(a, n, k + 1, w);
        }
        for (int i = 0; i < n; i++) {
            diagonal[i] = a[i * n + i];
            beside[i] = i + 1 < n ? a[i * n + i + 1] : 0;
        }
        double[] rows = new double[n * n];
        for (int i = 0; i < n; i++) {
            rows[i * n + i] = 1;
        }
        for (int k = n - 3; k >= 0; k--) {
            reflectRows(rows, n, k + 1, reflections[k]);
        }
        return rows;
    }

    /** The w that leaves of column k below its diagonal only the first element. */
    private static double[] reflection(double[] a, int n, int k) {
        double[] w = new double[n];
        double norm = 0;
        for (int i = k + 1; i < n; i++) {
            w[i] = a[i * n + k];
            norm += w[i] * w[i];
        }
        norm = Math.sqrt(norm);
        w[k + 1] += Math.copySign(norm, w[k + 1]);
        double length = 0;
        for (int i = k + 1; i < n; i++) {
            length += w[i] * w[i];
        }
        double scale = length > 0 ? Math.sqrt(2 / length) : 0;
        for (int i = k + 1; i < n; i++) {
            w[i] *= scale;
        }
        return w;
    }

    /** a ← H·a·H for the symmetric a; w is 0 below {@code first}. */
    private static void apply(double[] a, int n, int first, double[] w) {
        double[] p = new double[n];
        double dot = 0;
        for (int i = 0; i < n; i++) {
            double sum = 0;
            for (int j = first; j < n; j++) {
                sum += a[i * n + j] * w[j];
            }
            p[i] = sum;
            dot += sum * w[i];
        }
        for (int i = 0; i < n; i++) {
            p[i] -= dot / 2 * w[i];
        }
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                a[i * n + j] -= w[i] * p[j] + p[i] * w[j];
            }
        }
    }

    /**
     * Applies H to each row of a basis whose rows and columns below {@code first} are those of I.
     */
    private static void reflectRows(double[] rows, int n, int first, double[] w) {
        for (int r = first; r < n; r++) {
            double sum = 0;
            for (int i = first; i < n; i++) {
                sum += rows[r * n + i] * w[i];
            }
            for (int i = first; i < n; i++) {
                rows[r * n + i] -= sum * w[i];
            }
        }
    }

    /** Chases element (l, l + 1) to 0; eigenvectors are the rows. */
    private static void iterate(int l, int n, double[] d, double[] e, double[] rows) {
        for (int step = 0; step < STEPS_MAX; step++) {
            int m = l;
            while (m + 1 < n && !isSmall(d, e, m)) {
                m++;
            }
            if (m == l) {
                return;
            }
            double g = (d[l + 1] - d[l]) / (2 * e[l]);
            double r = Math.hypot(g, 1);
            g = d[m] - d[l] + e[l] / (g + Math.copySign(r, g));
            chase(l, m, n, g, d, e, rows);
        }
    }

    private static boolean isSmall(double[] d, double[] e, int m) {
        double sum = Math.abs(d[m]) + Math.abs(d[m + 1]);
        return Math.abs(e[m]) <= 1e-16 * sum || Math.abs(e[m]) < 1e-300;
    }

    /** One QL step on rows l..m with the shift that g stands for. */
    private static void chase(
            int l, int m, int n, double shifted, double[] d, double[] e, double[] rows) {
        double g = shifted;
        double sin = 1;
        double cos = 1;
        double p = 0;
        for (int i = m - 1; i >= l; i--) {
            double f = sin * e[i];
            double b = cos * e[i];
            double r = Math.hypot(f, g);
            e[i + 1] = r;
            if (r == 0) {
                d[i + 1] -= p;
                e[m] = 0;
                return;
            }
            sin = f / r;
            cos = g / r;
            g = d[i + 1] - p;
            double t = (d[i] - g) * sin + 2 * cos * b;
            p = sin * t;
            d[i + 1] = g + p;
            g = cos * t - b;
            for (int c = 0; c < n; c++) {
                double x = rows[(i + 1) * n + c];
                double y = rows[i * n + c];
                rows[(i + 1) * n + c] = sin * y + cos * x;
                rows[i * n + c] = cos * y - sin * x;
            }
        }
        d[l] -= p;
        e[l] = g;
        e[m] = 0;
    }

    private static SymmetricEigen sorted(double[] diagonal, double[] rows, int n) {
        Integer[] order = new Integer[n];
        for (int i = 0; i < n; i++) {
            order[i] = i;
        }
        java.util.Arrays.sort(order, (i, j) -> Double.compare(diagonal[j], diagonal[i]));
        double[] values = new double[n];
        double[] vectors = new double[n * n];
        for (int j = 0; j < n; j++) {
            int from = order[j];
            values[j] = diagonal[from];
            double largest = 0;
            for (int i = 0; i < n; i++) {
                double x = rows[from * n + i];
                largest = Math.abs(x) > Math.abs(largest) ? x : largest;
            }
            for (int i = 0; i < n; i++) {
                vectors[i * n + j] = rows[from * n + i] * Math.copySign(1, largest);
            }
        }
        return new SymmetricEigen(values, vectors);
    }
}
