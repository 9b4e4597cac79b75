package io.kvtier.codec;

import io.kvtier.codec.entropy.GaussianTables;
import io.kvtier.codec.entropy.Rungs;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.profile.Profile;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Values of quantizer indices: {@code sign(q)(|q| − centroid)·step/3^rung}. */
final class Reconstruction {
    private static final int CONTEXTS = GaussianTables.CONTEXTS;
    private static final int CLASSES = 256;
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = INTS.length();

    private final float[] centroids;

    /** Of class c at rung r: at 256·r + c + 128. */
    private final float[] steps = new float[Part.RUNGS_MAX * CLASSES];

    private final int[] cells = new int[LANES];

    Reconstruction(Profile profile) {
        centroids = profile.centroids();
        for (int i = 0; i < steps.length; i++) {
            double octaves = (i % CLASSES + Byte.MIN_VALUE) / 2.0;
            double scale = Rungs.scale(i / CLASSES);
            steps[i] = (float) (profile.step() * StrictMath.pow(2, octaves) / scale);
        }
    }

    /** Step of a token of a class at a rung. */
    float step(int tokenClass, int rung) {
        return steps[rung * CLASSES + tokenClass - Byte.MIN_VALUE];
    }

    /** Steps of tokens of these classes at a rung. */
    void steps(int[] classes, int rung, float[] out, int tokens) {
        for (int t = 0; t < tokens; t++) {
            out[t] = step(classes[t], rung);
        }
    }

    /**
     * Values of tokens [from, end) of one component.
     *
     * @param sigmaIndex of the component at class 0
     * @param code of the group, for the classes of its tokens
     * @param steps of the chunk's tokens at the rung
     * @param q indices at the rung, token t at {@code at + t}
     * @param out their values, token t at {@code to + t}
     */
    void values(
            int sigmaIndex,
            int rung,
            GroupCode code,
            float[] steps,
            int[] q,
            int at,
            float[] out,
            int to,
            int from,
            int end) {
        int base = sigmaIndex + Rungs.shift(rung);
        int wide = end - (end - from) % LANES;
        for (int t = from; t < wide; t += LANES) {
            IntVector value = IntVector.fromArray(INTS, q, at + t);
            if (value.eq(0).allTrue()) {
                FloatVector.zero(FLOATS).intoArray(out, to + t);
                continue;
            }
            IntVector magnitude = value.abs();
            IntVector.fromArray(INTS, code.classes, t)
                    .mul(-2)
                    .add(base)
                    .max(0)
                    .min(GaussianTables.TABLES - 1)
                    .mul(CONTEXTS)
                    .add(magnitude.min(CONTEXTS - 1))
                    .intoArray(cells, 0);
            FloatVector y =
                    ((FloatVector) magnitude.convert(VectorOperators.I2F, 0))
                            .sub(FloatVector.fromArray(FLOATS, centroids, 0, cells, 0))
                            .mul(FloatVector.fromArray(FLOATS, steps, t));
            y.blend(y.neg(), value.lt(0).cast(FLOATS)).intoArray(out, to + t);
        }
        for (int t = wide; t < end; t++) {
            int value = q[at + t];
            int magnitude = Math.abs(value);
            int table = GaussianTables.clamp(base - 2 * code.classes[t]);
            float centroid = centroids[table * CONTEXTS + Math.min(magnitude, CONTEXTS - 1)];
            float y = (magnitude - centroid) * steps[t];
            out[to + t] = value < 0 ? -y : y;
        }
    }

    /** Largest distance in steps between a value and what it is decoded to. */
    float errorMax() {
        float max = 0;
        for (float centroid : centroids) {
            max = Math.max(max, Math.abs(centroid));
        }
        return 0.5f + max;
    }
}
