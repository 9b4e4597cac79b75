package io.kvtier.codec.method.policy;

import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;
import java.util.EnumMap;
import java.util.Map;
import java.util.Random;

/** Small caches and hints of random numbers. */
public final class Caches {
    public static final int WINDOW = 4;

    private Caches() {}

    static Geometry geometry(int layers, int kvHeads) {
        return Geometry.uniform(
                layers, 2 * kvHeads, kvHeads, 8, Dtype.F16, Rope.rotateHalf(8, 10_000));
    }

    /** A cache of drawn elements. */
    public static DenseKv random(Random random, int layers, int kvHeads, int tokens) {
        DenseKv kv = DenseKv.zeros(geometry(layers, kvHeads), 0, tokens);
        for (float[][] plane : new float[][][] {kv.keys(), kv.values()}) {
            for (float[] layer : plane) {
                float[] _ = fill(random, layer);
            }
        }
        return kv;
    }

    /** A cache whose tokens are all equal, so that every score that looks at data ties. */
    static DenseKv equal(int layers, int kvHeads, int tokens) {
        return DenseKv.zeros(geometry(layers, kvHeads), 0, tokens);
    }

    /** Every hint of a cache, drawn. */
    public static Hints hints(Random random, DenseKv kv) {
        int rows = kv.keys().length * kv.geometry().kvHeads() * kv.tokens();
        int queries = kv.keys().length * kv.geometry().queryHeads() * kv.geometry().keyDim();
        Map<Hint, float[]> out = new EnumMap<>(Hint.class);
        out.put(Hint.ATTENTION_SUM, positive(random, rows));
        out.put(Hint.ATTENTION_WINDOW, positive(random, rows));
        out.put(Hint.QUERY_WINDOW, fill(random, new float[queries * WINDOW]));
        float[] moments = new float[queries * (1 + kv.geometry().keyDim())];
        out.put(Hint.QUERY_MOMENTS, fill(random, moments));
        out.put(Hint.SURPRISE, positive(random, kv.tokens()));
        float[] entity = new float[kv.tokens()];
        for (int i = 0; i < entity.length; i++) {
            entity[i] = random.nextInt(8) == 0 ? 1 : 0;
        }
        out.put(Hint.ENTITY, entity);
        return new Hints(out);
    }

    static Scores scores(Random random, DenseKv kv) {
        Scores out = Scores.zeros(kv.keys().length, kv.geometry().kvHeads(), kv.tokens());
        for (float[] layer : out.values()) {
            System.arraycopy(positive(random, layer.length), 0, layer, 0, layer.length);
        }
        return out;
    }

    static RateMap raw(DenseKv kv) {
        return RateMap.uniform(kv.geometry(), kv.tokens(), RateMap.RAW);
    }

    /** Bytes of a share of the whole at 16 bits. */
    static long budget(DenseKv kv, double share) {
        return (long) (raw(kv).bytes(kv.geometry()) * share);
    }

    private static float[] fill(Random random, float[] out) {
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) random.nextGaussian();
        }
        return out;
    }

    private static float[] positive(Random random, int count) {
        float[] out = new float[count];
        for (int i = 0; i < count; i++) {
            out[i] = random.nextFloat();
        }
        return out;
    }
}
