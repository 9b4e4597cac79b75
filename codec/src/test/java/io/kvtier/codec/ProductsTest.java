package io.kvtier.codec;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.testing.Property;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The products against loops that say what they are: the same bits, for every shape. */
class ProductsTest {
    private final Analysis analysis = new Analysis();
    private final Synthesis synthesis = new Synthesis();

    @Test
    void analysis_anyShape_isTheSumInOrder() {
        Property.forAll(
                100,
                random -> {
                    int rank = 1 + random.nextInt(30);
                    int width = rank + random.nextInt(20);
                    int stride = width + random.nextInt(3);
                    int n = 1 + random.nextInt(150);
                    float[] matrix = draw(random, rank * width, 0);
                    float[] mean = draw(random, width, 0.5);
                    float[] x = draw(random, n * stride, 0.2);
                    float[] expected = new float[rank * n];
                    for (int c = 0; c < rank; c++) {
                        for (int t = 0; t < n; t++) {
                            for (int w = 0; w < width; w++) {
                                float centred = x[t * stride + w] - mean[w];
                                float product = matrix[c * width + w] * centred;
                                expected[c * n + t] += product;
                            }
                        }
                    }
                    float[] y = draw(random, rank * n, 0);
                    analysis.multiply(matrix, rank, width, mean, x, stride, n, y);
                    assertThat(y).isEqualTo(expected);
                });
    }

    @Test
    void synthesis_anyShapeAndComponents_isTheSumInOrder() {
        Property.forAll(
                100,
                random -> {
                    int rank = 1 + random.nextInt(30);
                    int width = rank + random.nextInt(80);
                    int n = 1 + random.nextInt(70);
                    int[] components =
                            random.ints(0, rank).distinct().limit(rank / 2 + 1).sorted().toArray();
                    float[] matrix = draw(random, rank * width, 0);
                    float[] mean = draw(random, width, 0);
                    float[] y = new float[Synthesis.rowSize(n)];
                    float[] x = draw(random, Synthesis.size(n, width), 0);
                    int stride = Synthesis.stride(width);
                    float[] expected = new float[n * width];
                    for (int i = 0; i < n * width; i++) {
                        expected[i] = mean[i % width];
                    }
                    synthesis.begin(rank, n);
                    for (int c : components) {
                        System.arraycopy(draw(random, n, 0.7), 0, y, 0, n);
                        synthesis.add(c, y);
                        for (int i = 0; i < n * width; i++) {
                            float product = matrix[c * width + i % width] * y[i / width];
                            expected[i] += product;
                        }
                    }
                    synthesis.write(matrix, width, mean, x);
                    float[] actual = new float[n * width];
                    for (int t = 0; t < n; t++) {
                        System.arraycopy(x, t * stride, actual, t * width, width);
                    }
                    assertThat(actual).isEqualTo(expected);
                });
    }

    private static float[] draw(Random random, int count, double zeros) {
        float[] out = new float[count];
        for (int i = 0; i < count; i++) {
            out[i] = random.nextDouble() < zeros ? 0 : (float) random.nextGaussian();
        }
        return out;
    }
}
