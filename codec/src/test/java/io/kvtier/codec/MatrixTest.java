package io.kvtier.codec;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.testing.Property;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The products against loops that say what they are: the same bits, for every shape. */
class MatrixTest {
    private final Matrix matrix = new Matrix();

    @Test
    void analyze_anyShape_isTheSumInOrder() {
        Property.forAll(
                100,
                random -> {
                    int rank = 1 + random.nextInt(20);
                    int width = rank + random.nextInt(20);
                    int n = 1 + random.nextInt(70);
                    float[] a = draw(random, rank * width, 0);
                    float[] x = draw(random, width * n, 0.2);
                    float[] expected = new float[rank * n];
                    for (int c = 0; c < rank; c++) {
                        for (int w = 0; w < width; w++) {
                            add(a[c * width + w], x, w * n, expected, c * n, n);
                        }
                    }
                    float[] y = draw(random, rank * n, 0);
                    matrix.analyze(a, rank, width, x, y, n);
                    assertThat(y).isEqualTo(expected);
                });
    }

    @Test
    void synthesize_anyShapeAndLiveRows_isTheSumInOrder() {
        Property.forAll(
                100,
                random -> {
                    int rank = 1 + random.nextInt(20);
                    int width = rank + random.nextInt(20);
                    int n = 1 + random.nextInt(70);
                    int[] live = random.ints(0, rank).distinct().limit(rank / 2 + 1).toArray();
                    float[] b = draw(random, rank * width, 0);
                    float[] y = draw(random, rank * n, 0.7);
                    float[] x = draw(random, width * n, 0);
                    float[] expected = x.clone();
                    for (int w = 0; w < width; w++) {
                        for (int c : live) {
                            add(b[c * width + w], y, c * n, expected, w * n, n);
                        }
                    }
                    matrix.synthesize(b, live, live.length, width, y, x, n);
                    assertThat(x).isEqualTo(expected);
                });
    }

    private static void add(float a, float[] x, int from, float[] y, int to, int n) {
        for (int t = 0; t < n; t++) {
            float product = a * x[from + t];
            y[to + t] += product;
        }
    }

    private static float[] draw(Random random, int count, double zeros) {
        float[] out = new float[count];
        for (int i = 0; i < count; i++) {
            out[i] = random.nextDouble() < zeros ? 0 : (float) random.nextGaussian();
        }
        return out;
    }
}
