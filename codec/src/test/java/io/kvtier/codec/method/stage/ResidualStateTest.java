package io.kvtier.codec.method.stage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

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
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What summaries of dropped tokens promise. */
class ResidualStateTest {
    private static final int DIM = 8;
    private static final int TOKENS = 40;
    private static final Geometry ONE =
            Geometry.uniform(1, 1, 1, DIM, Dtype.F16, Rope.rotateHalf(DIM, 10_000));

    @Test
    void fold_anyOrderOfPairs_isTheSame() {
        Random random = new Random(1);
        ResidualState a = state(random);
        ResidualState b = state(random);
        ResidualState c = state(random);
        ResidualState left = a.fold(b).fold(c);
        ResidualState right = a.fold(b.fold(c));
        assertThat(left.counts()).isEqualTo(right.counts());
        assertThat(left.keys()).containsExactly(right.keys(), within(1e-9));
        assertThat(left.values()).containsExactly(right.values(), within(1e-9));
    }

    @Test
    void fold_withNothing_changesNothing() {
        ResidualState a = state(new Random(2));
        ResidualState out = a.fold(ResidualState.empty(4, DIM));
        assertThat(out.counts()).isEqualTo(a.counts());
        assertThat(out.keys()).containsExactly(a.keys());
    }

    /** Dropped tokens of equal keys: their summary weighs in attention as all of them did. */
    @Test
    void decode_equalKeys_attentionIsExact() {
        Random random = new Random(3);
        float[] keys = halves(random, TOKENS * DIM);
        float[] values = halves(random, TOKENS * DIM);
        RateMap rates = RateMap.uniform(ONE, TOKENS, RateMap.RAW);
        for (int t = 10; t < 30; t++) {
            System.arraycopy(keys, 10 * DIM, keys, t * DIM, DIM);
            for (Kind kind : Kind.values()) {
                rates.plane(kind)[0][t] = 0;
            }
        }
        Chunk chunk = new Chunk(ONE, 0, TOKENS, rates);
        ResidualSummary stage = new ResidualSummary(3);
        SideWriter side = new SideWriter();
        Planes coded = stage.encode(planes(keys, values), chunk, side);
        Planes back = stage.decode(coded, chunk, new SideReader(side.toBytes()));
        float[] query = halves(random, DIM);
        double[] expected = attend(query, keys, values);
        double[] got = attend(query, back.floats().get(0).data(), back.floats().get(1).data());
        for (int i = 0; i < DIM; i++) {
            assertThat(got[i]).isCloseTo(expected[i], within(1e-3)); // means travel as halves
        }
    }

    @Test
    void encode_tokenThatLosesItsValueOnly_isRefused() {
        RateMap rates = RateMap.uniform(ONE, TOKENS, RateMap.RAW);
        rates.plane(Kind.VALUES)[0][3] = 0;
        Chunk chunk = new Chunk(ONE, 0, TOKENS, rates);
        float[] x = new float[TOKENS * DIM];
        org.assertj.core.api.Assertions.assertThatThrownBy(
                        () -> new ResidualSummary(3).encode(planes(x, x), chunk, new SideWriter()))
                .hasMessageContaining("lose");
    }

    @Test
    void residual_secondOfTwoQuantizers_codesWhatTheFirstLeft() {
        Random random = new Random(4);
        Planes in = planes(halves(random, TOKENS * DIM), halves(random, TOKENS * DIM));
        Chunk chunk = new Chunk(ONE, 0, TOKENS, RateMap.uniform(ONE, TOKENS, RateMap.RAW));
        GroupQuant four = new GroupQuant(4, DIM, GroupQuant.Axis.TOKEN, GroupQuant.Axis.TOKEN);
        double once = error(in, four, chunk);
        double twice = error(in, new Residual(four, four), chunk);
        assertThat(twice).isLessThan(once / 100);
    }

    private static double error(Planes in, io.kvtier.codec.method.Quantizer stage, Chunk chunk) {
        SideWriter side = new SideWriter();
        Planes coded = stage.encode(in, chunk, side);
        Planes back = stage.decode(coded, chunk, new SideReader(side.toBytes()));
        double out = 0;
        for (int p = 0; p < 2; p++) {
            for (int i = 0; i < TOKENS * DIM; i++) {
                double d = in.floats().get(p).data()[i] - back.floats().get(p).data()[i];
                out += d * d;
            }
        }
        return out;
    }

    private static ResidualState state(Random random) {
        ResidualState out = ResidualState.empty(4, DIM);
        for (int t = 0; t < 20; t++) {
            out.add(random.nextInt(4), halves(random, DIM), 0, halves(random, DIM), 0);
        }
        return out;
    }

    private static Planes planes(float[] keys, float[] values) {
        List<Plane<float[]>> out = new ArrayList<>();
        out.add(new Plane<>(new Plane.Shape(Kind.KEYS, 0, -1, TOKENS, DIM, 0), keys));
        out.add(new Plane<>(new Plane.Shape(Kind.VALUES, 0, -1, TOKENS, DIM, 0), values));
        return new Planes.Floats(out);
    }

    private static float[] halves(Random random, int count) {
        float[] out = new float[count];
        for (int i = 0; i < count; i++) {
            out[i] = Float.float16ToFloat(Float.floatToFloat16((float) random.nextGaussian()));
        }
        return out;
    }

    private static double[] attend(float[] query, float[] keys, float[] values) {
        double[] out = new double[DIM];
        double sum = 0;
        for (int t = 0; t < TOKENS; t++) {
            double logit = 0;
            for (int i = 0; i < DIM; i++) {
                logit += query[i] * keys[t * DIM + i];
            }
            double weight = Math.exp(logit / Math.sqrt(DIM));
            sum += weight;
            for (int i = 0; i < DIM; i++) {
                out[i] += weight * values[t * DIM + i];
            }
        }
        for (int i = 0; i < DIM; i++) {
            out[i] /= sum;
        }
        return out;
    }
}
