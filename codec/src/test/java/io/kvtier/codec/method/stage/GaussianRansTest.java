package io.kvtier.codec.method.stage;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Symbols come back, for little more than their entropy. */
class GaussianRansTest {
    private static final int ROWS = 1024;
    private static final int COLUMNS = 64;
    private static final Geometry GEOMETRY =
            Geometry.uniform(1, 1, 1, COLUMNS, Dtype.F16, Rope.rotateHalf(COLUMNS, 10_000));

    @Test
    void encode_gaussianChannels_takeWithinThreePercentOfTheirEntropy() {
        Random random = new Random(1);
        int[] q = new int[ROWS * COLUMNS];
        for (int i = 0; i < q.length; i++) {
            double sigma = Math.exp(i % COLUMNS / 16.0 - 2);
            q[i] = (int) Math.clamp(Math.rint(random.nextGaussian() * sigma), -127, 127) + 127;
        }
        Plane.Shape shape = new Plane.Shape(Kind.KEYS, 0, -1, ROWS, COLUMNS, 255);
        RateMap rates = RateMap.uniform(GEOMETRY, ROWS, RateMap.RAW);
        Chunk chunk = new Chunk(GEOMETRY, 0, ROWS, rates);
        SideWriter side = new SideWriter();
        GaussianRans coder = new GaussianRans();
        Planes coded =
                coder.encode(new Planes.Symbols(List.of(new Plane<>(shape, q))), chunk, side);
        Planes back = coder.decode(coded, chunk, new SideReader(side.toBytes()));
        assertThat(back.symbols().getFirst().data()).isEqualTo(q);
        int bytes = coded.bytes().getFirst().data().length;
        assertThat(8.0 * bytes).isBetween(0.95 * entropy(q), 1.03 * entropy(q));
        assertThat(side.toBytes()).hasSize(COLUMNS);
    }

    /** Bits by the counts of each channel, without any table. */
    private static double entropy(int[] q) {
        double out = 0;
        for (int c = 0; c < COLUMNS; c++) {
            int[] counts = new int[255];
            for (int r = 0; r < ROWS; r++) {
                counts[q[r * COLUMNS + c]]++;
            }
            for (int count : counts) {
                out -= count == 0 ? 0 : count * Math.log((double) count / ROWS) / Math.log(2);
            }
        }
        return out;
    }
}
