package io.kvtier.codec.method.stage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Vectors are orthonormal and turn the matrix to its falling values, also where it is singular. */
class SymmetricEigenTest {
    @ParameterizedTest
    @CsvSource({"1, 1", "2, 2", "3, 3", "16, 16", "33, 7", "64, 64", "120, 1", "5, 0"})
    void of_productOfTwoFactors_diagonalizes(int n, int rank) {
        Random random = new Random(n);
        double[] x = new double[n * Math.max(rank, 1)];
        for (int i = 0; i < x.length; i++) {
            x[i] = rank == 0 ? 0 : random.nextGaussian();
        }
        double[] a = new double[n * n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                for (int k = 0; k < rank; k++) {
                    a[i * n + j] += x[i * rank + k] * x[j * rank + k];
                }
            }
        }
        SymmetricEigen eigen = SymmetricEigen.of(a, n);
        double scale = 1e-10 * Math.max(1, n * n);
        for (int p = 0; p < n; p++) {
            if (p > 0) {
                assertThat(eigen.values()[p]).isLessThanOrEqualTo(eigen.values()[p - 1]);
            }
            for (int i = 0; i < n; i++) {
                double sum = 0;
                for (int j = 0; j < n; j++) {
                    sum += a[i * n + j] * eigen.vectors()[j * n + p];
                }
                double expected = eigen.values()[p] * eigen.vectors()[i * n + p];
                assertThat(sum).isCloseTo(expected, within(scale));
            }
            for (int q = 0; q < n; q++) {
                double dot = 0;
                for (int i = 0; i < n; i++) {
                    dot += eigen.vectors()[i * n + p] * eigen.vectors()[i * n + q];
                }
                assertThat(dot).isCloseTo(p == q ? 1 : 0, within(scale));
            }
        }
    }
}
