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
import io.kvtier.codec.method.Stage;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The identities by which each method's card says that it is the method. */
class StageIdentityTest {
    private static final int TOKENS = 64;
    private static final int DIM = 16;
    private static final Geometry GEOMETRY =
            Geometry.uniform(2, 1, 1, DIM, Dtype.F16, Rope.rotateHalf(DIM, 10_000));
    private static final long SEED = 7;

    @Test
    void lloydMax_unitVectors_haveTheErrorOfTheory() {
        // Known errors of the normal distribution: 0.3634, 0.1175, 0.03454, 0.009497 (Max 1960).
        double[] expected = {0.3634, 0.1175, 0.03454, 0.009497};
        float[] x = gaussian(1 << 16);
        for (int bits = 1; bits <= 4; bits++) {
            float[] levels = LloydMax.levels(bits);
            double error = 0;
            for (float value : x) {
                double nearest = Double.POSITIVE_INFINITY;
                for (float level : levels) {
                    nearest = Math.min(nearest, (double) (value - level) * (value - level));
                }
                error += nearest;
            }
            double wanted = expected[bits - 1];
            assertThat(error / x.length).isCloseTo(wanted, within(0.03 * wanted));
        }
    }

    @Test
    void slerpLayers_equalLayers_areExactAndLengthsAlwaysKept() {
        float[] a = gaussian(TOKENS * DIM);
        float[] twice = a.clone();
        for (int i = 0; i < twice.length; i++) {
            twice[i] *= 2;
        }
        // Parallel vectors of any two lengths are exact, to the halves of their lengths.
        List<float[]> parallel = layers(new SlerpLayers(0, 0.6, 0.05), a, twice);
        for (int i = 0; i < a.length; i++) {
            assertThat(parallel.get(0)[i]).isCloseTo(a[i], within(4e-3f));
            assertThat(parallel.get(1)[i]).isCloseTo(twice[i], within(8e-3f));
        }
        float[] b = gaussian(2 * TOKENS * DIM, SEED + 1);
        float[] other = java.util.Arrays.copyOf(b, a.length);
        List<float[]> apart = layers(new SlerpLayers(0, 0.6, 0), a, other);
        for (int t = 0; t < TOKENS; t++) {
            double wanted = norm(other, t);
            assertThat(norm(apart.get(1), t)).isCloseTo(wanted, within(wanted * 2e-3));
        }
    }

    @Test
    void slerpLayers_angles_areThoseOfTheSphere() {
        float[] a = gaussian(TOKENS * DIM);
        float[] b = gaussian(TOKENS * DIM, SEED + 1);
        double t = 0.6;
        List<float[]> out = layers(new SlerpLayers(0, t, 0), a, b);
        for (int token = 0; token < TOKENS; token++) {
            double angle = angle(a, b, token);
            double first = angle(a, out.get(0), token);
            if (first < 1e-3) {
                continue; // retained: the greatest angle of the plane
            }
            assertThat(first).isCloseTo(t * angle, within(2e-3));
            assertThat(angle(b, out.get(1), token)).isCloseTo((1 - t) * angle, within(2e-3));
        }
    }

    @Test
    void blockPca_outlierChannel_isFlatterAndTheSame() {
        float[] x = gaussian(TOKENS * DIM);
        for (int i = 3; i < x.length; i += DIM) {
            x[i] = 12 + x[i];
        }
        Planes in = planes(x, x);
        SideWriter side = new SideWriter();
        Stage stage = new BlockPca(16);
        Planes flat = stage.encode(in, chunk(), side);
        Planes back = stage.decode(flat, chunk(), new SideReader(side.toBytes()));
        for (int i = 0; i < x.length; i++) {
            assertThat(back.floats().get(0).data()[i]).isCloseTo(x[i], within(0.02f));
        }
        assertThat(peakToRms(flat.floats().get(0).data())).isLessThan(peakToRms(x));
    }

    @Test
    void flattenChannels_outlier_isSplitIntoPiecesWithinTheThreshold() {
        float[] x = gaussian(TOKENS * DIM);
        for (int i = 5; i < x.length; i += DIM) {
            x[i] *= 20;
        }
        SideWriter side = new SideWriter();
        Plane<float[]> flat =
                new FlattenChannels().encode(planes(x, x), chunk(), side).floats().getFirst();
        SideReader in = new SideReader(side.toBytes());
        float threshold = in.f32();
        assertThat(flat.shape().columns()).isGreaterThan(DIM);
        for (float piece : flat.data()) {
            assertThat(Math.abs(piece)).isLessThanOrEqualTo(threshold * 1.0001f);
        }
    }

    @Test
    void flattenChannels_perTensor_losesLessThanWithout() {
        float[] x = gaussian(TOKENS * DIM);
        for (int i = 5; i < x.length; i += DIM) {
            x[i] *= 20;
        }
        double plain = error(List.of(new PlaneQuant(4)), x);
        double flat = error(List.of(new FlattenChannels(), new PlaneQuant(4)), x);
        assertThat(flat).isLessThan(plain);
    }

    @Test
    void pruneChannels_shareOfZero_isTheIdentityAndMoreDropsTheWeakest() {
        float[] x = gaussian(TOKENS * DIM);
        for (int i = 0; i < x.length; i++) {
            x[i] *= i % DIM + 1;
        }
        SideWriter side = new SideWriter();
        Planes same = new PruneChannels(0).encode(planes(x, x), chunk(), side);
        assertThat(same.floats().getFirst().data()).isEqualTo(x);
        side = new SideWriter();
        Planes _ = new PruneChannels(0.5).encode(planes(x, x), chunk(), side);
        SideReader in = new SideReader(side.toBytes());
        assertThat(in.varint()).isEqualTo(DIM);
        BitSet kept = in.bits(DIM);
        assertThat(kept.nextSetBit(0)).isEqualTo(DIM / 2);
        assertThat(kept.cardinality()).isEqualTo(DIM / 2);
    }

    @Test
    void groupSvd_rankOfTheData_isExact() {
        float[] factors = gaussian(TOKENS * 3);
        float[] a = new float[TOKENS * DIM];
        float[] b = new float[TOKENS * DIM];
        float[] mix = gaussian(3 * 2 * DIM, SEED + 2);
        for (int i = 0; i < a.length; i++) {
            for (int k = 0; k < 3; k++) {
                float factor = factors[i / DIM * 3 + k];
                a[i] += factor * mix[k * 2 * DIM + i % DIM];
                b[i] += factor * mix[k * 2 * DIM + DIM + i % DIM];
            }
        }
        List<float[]> out = layers(new GroupSvd(2, 3), a, b);
        for (int i = 0; i < a.length; i++) {
            assertThat(out.get(0)[i]).isCloseTo(a[i], within(0.02f));
            assertThat(out.get(1)[i]).isCloseTo(b[i], within(0.02f));
        }
    }

    @Test
    void mergeHeads_equalHeads_isExact() {
        Geometry two = Geometry.uniform(1, 2, 2, DIM, Dtype.F16, Rope.none());
        Chunk chunk = new Chunk(two, 0, TOKENS, RateMap.uniform(two, TOKENS, 16));
        float[] head = gaussian(TOKENS * DIM);
        float[] x = new float[2 * head.length];
        for (int t = 0; t < TOKENS; t++) {
            System.arraycopy(head, t * DIM, x, 2 * t * DIM, DIM);
            System.arraycopy(head, t * DIM, x, (2 * t + 1) * DIM, DIM);
        }
        Plane.Shape shape = new Plane.Shape(Kind.KEYS, 0, -1, TOKENS, 2 * DIM, 0);
        Planes in = new Planes.Floats(List.of(new Plane<>(shape, x)));
        Stage stage = new MergeHeads(2);
        Planes merged = stage.encode(in, chunk, new SideWriter());
        assertThat(merged.floats().getFirst().shape().columns()).isEqualTo(DIM);
        Planes back = stage.decode(merged, chunk, new SideReader(new byte[0]));
        assertThat(back.floats().getFirst().data()).isEqualTo(x);
    }

    @Test
    void productQuant_moreIterations_neverLoseMore() {
        float[] x = gaussian(TOKENS * DIM);
        double last = Double.POSITIVE_INFINITY;
        for (int iterations = 0; iterations <= 8; iterations++) {
            double error = error(List.of(new ProductQuant(4, 16, iterations)), x);
            assertThat(error).isLessThanOrEqualTo(last * 1.001); // centroids are sent as halves
            last = error;
        }
    }

    @Test
    void channelRans_length_isTheEntropyOfItsSymbols() {
        float[] x = gaussian(1 << 14);
        Plane.Shape shape = new Plane.Shape(Kind.KEYS, 0, -1, 1 << 10, DIM, 32);
        int[] q = new int[x.length];
        double[][] counts = new double[DIM][32];
        for (int i = 0; i < q.length; i++) {
            q[i] = Math.clamp(Math.round(x[i] * (1 + i % DIM % 4)) + 16, 0, 31);
            counts[i % DIM][q[i]]++;
        }
        double bits = 0;
        for (double[] channel : counts) {
            for (double count : channel) {
                bits -= count == 0 ? 0 : count * Math.log(count / (1 << 10)) / Math.log(2);
            }
        }
        SideWriter side = new SideWriter();
        Planes coded =
                new ChannelRans()
                        .encode(new Planes.Symbols(List.of(new Plane<>(shape, q))), chunk(), side);
        assertThat(side.toBytes()).hasSize(DIM * 32 * 2);
        int bytes = coded.bytes().getFirst().data().length;
        assertThat(bytes * 8.0).isBetween(bits, 1.02 * bits + 64);
    }

    private static double error(List<Stage> stages, float[] x) {
        Planes planes = planes(x, x);
        SideReader[] sides = new SideReader[stages.size()];
        for (int i = 0; i < stages.size(); i++) {
            SideWriter side = new SideWriter();
            planes = stages.get(i).encode(planes, chunk(), side);
            sides[i] = new SideReader(side.toBytes());
        }
        for (int i = stages.size() - 1; i >= 0; i--) {
            planes = stages.get(i).decode(planes, chunk(), sides[i]);
        }
        double out = 0;
        for (int i = 0; i < x.length; i++) {
            double d = x[i] - planes.floats().getFirst().data()[i];
            out += d * d;
        }
        return out;
    }

    private static List<float[]> layers(Stage stage, float[] a, float[] b) {
        SideWriter side = new SideWriter();
        Planes coded = stage.encode(planes(a, b), chunk(), side);
        Planes back = stage.decode(coded, chunk(), new SideReader(side.toBytes()));
        return back.floats().stream().map(Plane::data).toList();
    }

    private static Planes planes(float[] a, float[] b) {
        Plane.Shape first = new Plane.Shape(Kind.KEYS, 0, -1, TOKENS, DIM, 0);
        Plane.Shape second = new Plane.Shape(Kind.KEYS, 1, -1, TOKENS, DIM, 0);
        return new Planes.Floats(List.of(new Plane<>(first, a), new Plane<>(second, b)));
    }

    private static Chunk chunk() {
        return new Chunk(GEOMETRY, 0, TOKENS, RateMap.uniform(GEOMETRY, TOKENS, RateMap.RAW));
    }

    private static float[] gaussian(int count) {
        return gaussian(count, SEED);
    }

    private static float[] gaussian(int count, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] out = new float[count];
        for (int i = 0; i < count; i++) {
            out[i] = (float) random.nextGaussian();
        }
        return out;
    }

    private static double norm(float[] x, int token) {
        double out = 0;
        for (int i = 0; i < DIM; i++) {
            out += (double) x[token * DIM + i] * x[token * DIM + i];
        }
        return Math.sqrt(out);
    }

    private static double angle(float[] a, float[] b, int token) {
        double dot = 0;
        for (int i = 0; i < DIM; i++) {
            dot += (double) a[token * DIM + i] * b[token * DIM + i];
        }
        return Math.acos(Math.clamp(dot / norm(a, token) / norm(b, token), -1.0, 1.0));
    }

    private static double peakToRms(float[] x) {
        double peak = 0;
        double squares = 0;
        for (float value : x) {
            peak = Math.max(peak, Math.abs(value));
            squares += (double) value * value;
        }
        return peak / Math.sqrt(squares / x.length);
    }
}
