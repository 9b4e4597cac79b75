package io.kvtier.codec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.kvtier.codec.identity.Rope;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Keys at another position are what RoPE would have made there. */
class RotationTest {
    private static final Rope ROPE = Rope.rotateHalf(64, 100_000);

    @ParameterizedTest
    @CsvSource({"0, 1", "5, 905", "1000, 4", "37, 37", "100, 99", "2047, 0"})
    void shift_fromOnePositionToAnother_isRopeThere(int from, int to) {
        float[] plain = new float[64];
        Random random = new Random(from);
        for (int i = 0; i < plain.length; i++) {
            plain[i] = (float) random.nextGaussian();
        }
        float[] moved = at(plain, from);
        Rotation.shift(ROPE, moved, 0, to - from);
        assertThat(moved).containsExactly(at(plain, to), within(1e-4f));
        Rotation.shift(ROPE, moved, 0, 3);
        Rotation.shift(ROPE, moved, 0, -3);
        assertThat(moved).containsExactly(at(plain, to), within(1e-4f));
    }

    private static float[] at(float[] plain, int position) {
        Rotation rotation = new Rotation(ROPE);
        rotation.begin(position, 1);
        float[] out = plain.clone();
        rotation.rotate(out, 0, 0, true);
        return out;
    }
}
