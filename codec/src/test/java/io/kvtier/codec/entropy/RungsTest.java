package io.kvtier.codec.entropy;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.testing.Property;
import org.junit.jupiter.api.Test;

class RungsTest {
    private static final int END = 1 << 27;

    @Test
    void coarsen_anyIndex_isCoarserAgainAndAgain() {
        Property.forAll(
                200,
                random -> {
                    int[] q = new int[300];
                    for (int i = 0; i < q.length; i++) {
                        int bound = 1 + random.nextInt(END);
                        q[i] =
                                random.nextBoolean()
                                        ? random.nextInt(bound)
                                        : -random.nextInt(bound);
                    }
                    int largest = random.nextBoolean() ? END - 1 : (1 << 20) - 1;
                    for (int i = 0; i < q.length; i++) {
                        q[i] %= largest;
                    }
                    q[0] = largest;
                    q[1] = -largest;
                    int[] expected = q.clone();
                    int[] actual = new int[q.length];
                    for (int rungs = 0; rungs <= 3; rungs++) {
                        Rungs.coarsen(q, 0, q.length, rungs, actual, 0);
                        assertThat(actual).as("%d rungs lower", rungs).isEqualTo(expected);
                        for (int i = 0; i < expected.length; i++) {
                            expected[i] = Rungs.coarser(expected[i]);
                        }
                    }
                });
    }
}
