package io.kvtier.codec;

import io.kvtier.codec.entropy.Rungs;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.profile.DataFree;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileGroup;

/** Turns one group's rows of floats into indices at the finest rung; keeps what they leave out. */
final class GroupEncoder {
    private static final double VALUE_END = 1 << 27;
    private static final double SCALE_MIN = 1e-30;
    private static final float HALF_MAX = 65504;

    private final Profile profile;
    private final Geometry geometry;
    private final Reconstruction reconstruction;
    private final Analysis analysis = new Analysis();
    private float[] y = new float[0];
    private float[] decoded = new float[0];
    private int[] coarse = new int[0];
    private float[] weights = new float[0];
    private float[] steps = new float[0];

    GroupEncoder(Profile profile, Geometry geometry) {
        this.profile = profile;
        this.geometry = geometry;
        reconstruction = new Reconstruction(profile);
    }

    /**
     * Fills {@code code} from rows of x, which are overwritten. Tokens before {@code first} are
     * raw.
     */
    void quantize(GroupCode code, Groups groups, float[] x, int tokens, int first, int position) {
        float[] all = transform(code, groups, x, tokens, first);
        if (profile.classRows()) {
            for (int t = first; t < tokens; t++) {
                code.classes[t] = tokenClass(octaves(code.group, all, tokens, t), position + t);
            }
            java.util.Arrays.fill(code.classes, 0, first, profile.classes().centre());
        }
        round(code, tokens);
    }

    /**
     * All components of a group, lent until the next call: component c of token t at {@code
     * c·tokens + t}, 0 for raw tokens.
     */
    float[] transform(GroupCode code, Groups groups, float[] x, int tokens, int first) {
        ProfileGroup group = code.group;
        if (y.length < group.rank() * tokens) {
            y = new float[group.rank() * tokens];
            decoded = new float[y.length];
            coarse = new int[y.length];
        }
        if (profile.statisticsInFrame()) {
            measure(code, groups, turn(x, group.width(), tokens), tokens, first);
        } else {
            int width = group.width();
            analysis.multiply(
                    group.analysis(), group.rank(), width, code.mean, x, width, tokens, y);
        }
        for (int c = 0; c < group.rank(); c++) {
            java.util.Arrays.fill(y, c * tokens, c * tokens + first, 0);
        }
        return y;
    }

    /** Fills {@code code}, whose classes are known, from the rows of its components. */
    void quantize(GroupCode code, float[] rows, int tokens) {
        System.arraycopy(rows, 0, y, 0, code.rank * tokens);
        round(code, tokens);
    }

    /**
     * Squared error at a rung over tokens [from, end), each token's over 4^(octaves of its class):
     * what a class makes coarser matters that much less.
     */
    double distortion(GroupCode code, int rung, int tokens, int from, int end) {
        steps(code, rung, tokens);
        double sum = 0;
        for (int c = 0; c < code.rank; c++) {
            int at = c * tokens;
            coarsen(code.q, at + from, end - from, rung, coarse, at + from);
            reconstruction.values(
                    code.sigmaIndex[c], rung, code, steps, coarse, at, decoded, at, from, end);
            for (int t = from; t < end; t++) {
                double error = y[at + t] - decoded[at + t];
                sum += error * error * weights[t];
            }
        }
        return sum;
    }

    /** Finest indices brought down to a rung. */
    void coarsen(int[] q, int from, int span, int rung, int[] out, int to) {
        Rungs.coarsen(q, from, span, profile.rungs() - 1 - rung, out, to);
    }

    private void steps(GroupCode code, int rung, int tokens) {
        if (steps.length < tokens) {
            steps = new float[tokens];
            weights = new float[tokens];
        }
        for (int t = 0; t < tokens; t++) {
            boolean same = t > 0 && code.classes[t] == code.classes[t - 1];
            steps[t] = same ? steps[t - 1] : reconstruction.step(code.classes[t], rung);
            weights[t] = same ? weights[t - 1] : Math.scalb(1f, -code.classes[t]);
        }
    }

    private void round(GroupCode code, int tokens) {
        int finest = profile.rungs() - 1;
        steps(code, finest, tokens);
        for (int c = 0; c < code.rank; c++) {
            for (int t = 0; t < tokens; t++) {
                int at = c * tokens + t;
                double value = Math.abs((double) y[at]) / steps[t] + 0.5;
                if (!(value < VALUE_END)) {
                    throw new InvalidRequestException(
                            "component " + c + " is " + value + " steps, expected below 2^27");
                }
                code.q[at] = y[at] < 0 ? -(int) value : (int) value;
            }
        }
    }

    /** The probe of a token: probe[R] + Σ probe[c]·clamp(y/sigma, −5, 5). */
    static double octaves(ProfileGroup group, float[] components, int tokens, int t) {
        float[] probe = group.probe();
        float[] sigma = group.sigma();
        double octaves = 0;
        for (int c = 0; c < sigma.length; c++) {
            double value = (double) components[c * tokens + t] / sigma[c];
            octaves += probe[c] * Math.min(Math.max(value, -5), 5);
        }
        return octaves + probe[sigma.length];
    }

    /** round(2·(octaves + curve)), clamped. */
    int tokenClass(double octaves, int position) {
        double halves = Math.floor(2 * (octaves + profile.octaves(position)) + 0.5);
        Profile.Classes range = profile.classes();
        return (int) Math.min(Math.max(halves, range.min()), range.max());
    }

    /** The data-free profile's statistics (docs/codec.md), and y = (x − mean)/scale. */
    private void measure(GroupCode code, Groups groups, float[] x, int tokens, int first) {
        int row = 0;
        int[] layers = code.group.layers();
        int stored = geometry.storedLayers().size();
        for (int i = 0; i < layers.length; i++) {
            double weight = DataFree.valueWeight(groups.storedIndex(layers[i]), stored);
            int keys = code.group.heads().length * geometry.keyDim();
            int values = code.group.heads().length * geometry.valueDim();
            measure(code, 2 * i, x, row, keys, tokens, first, 1);
            measure(code, 2 * i + 1, x, row + keys, values, tokens, first, weight);
            row += keys + values;
        }
    }

    private void measure(
            GroupCode code,
            int part,
            float[] x,
            int row,
            int rows,
            int tokens,
            int first,
            double weight) {
        double total = 0;
        for (int w = row; w < row + rows; w++) {
            code.mean[w] = mean(x, w * tokens + first, tokens - first);
            subtract(x, w * tokens, tokens, code.mean[w]);
            total += squares(x, w * tokens + first, tokens - first);
        }
        double count = Math.max(1.0, (double) rows * (tokens - first));
        double rms = StrictMath.sqrt(total / count) * weight;
        float scale = rms > SCALE_MIN ? (float) rms : 1;
        InvalidRequestException.check(
                Float.isFinite(scale), "rms of layer " + code.group.layers()[part / 2], rms, "f32");
        code.scale[part] = scale;
        for (int w = row; w < row + rows; w++) {
            int at = w * tokens;
            for (int t = 0; t < tokens; t++) {
                y[at + t] = x[at + t] / scale;
            }
            double square = squares(y, at + first, tokens - first);
            double sigma = StrictMath.sqrt(square / Math.max(1, tokens - first));
            code.sigmaIndex[w] = index(sigma / profile.step());
        }
    }

    private static float[] turn(float[] x, int width, int tokens) {
        float[] out = new float[width * tokens];
        for (int t = 0; t < tokens; t++) {
            for (int w = 0; w < width; w++) {
                out[w * tokens + t] = x[t * width + w];
            }
        }
        return out;
    }

    private static int index(double ratio) {
        double octaves = StrictMath.log(Math.max(ratio, SCALE_MIN)) / StrictMath.log(2);
        double index = Math.floor(4 * octaves + 0.5) + 24;
        return (int) Math.min(Math.max(index, 0), 63);
    }

    private static float mean(float[] x, int at, int count) {
        double sum = 0;
        for (int t = at; t < at + count; t++) {
            sum += x[t];
        }
        float mean = count == 0 ? 0 : (float) (sum / count);
        float clamped = Math.min(Math.max(mean, -HALF_MAX), HALF_MAX);
        return Float.float16ToFloat(Float.floatToFloat16(clamped));
    }

    private static double squares(float[] x, int at, int count) {
        double sum = 0;
        for (int t = at; t < at + count; t++) {
            sum += (double) x[t] * x[t];
        }
        return sum;
    }

    private static void subtract(float[] x, int at, int count, float mean) {
        for (int t = at; t < at + count; t++) {
            x[t] -= mean;
        }
    }
}
