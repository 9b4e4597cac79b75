package io.kvtier.codec;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.profile.DataFree;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileGroup;
import java.util.Arrays;

/** Turns one group's rows of floats into indices at the finest rung; keeps what they leave out. */
final class GroupEncoder {
    private static final double VALUE_END = 1 << 27;
    private static final double SCALE_MIN = 1e-30;
    private static final float HALF_MAX = 65504;

    /** Channels that are turned to rows together: a cache line. */
    private static final int COLUMNS = 16;

    private final Profile profile;
    private final Geometry geometry;
    private final Groups groups;
    private final Analysis analysis = new Analysis();

    /** Component c of token t at c·tokens + t. */
    private float[] y = new float[0];

    private double[] octaves = new double[0];
    private double[] sums = new double[0];

    GroupEncoder(Profile profile, Geometry geometry, Groups groups) {
        this.profile = profile;
        this.geometry = geometry;
        this.groups = groups;
    }

    /**
     * Fills {@code code} and {@code tally} from channels, w of token t at {@code x[t·width + w]},
     * which are overwritten. Tokens before {@code first} are raw.
     */
    void quantize(GroupCode code, RungTally tally, float[] x, int tokens, int first, int position) {
        float[] components = transform(code, x, tokens, first);
        classify(code, components, tokens, first, position);
        round(code, tally, components, tokens);
    }

    /**
     * All components of a group, lent until the next call: component c of token t at {@code
     * c·tokens + t}, 0 for raw tokens.
     */
    float[] transform(GroupCode code, float[] x, int tokens, int first) {
        ProfileGroup group = code.group;
        if (y.length < group.rank() * tokens) {
            y = new float[group.rank() * tokens];
        }
        if (profile.statisticsInFrame()) {
            measure(code, x, tokens, first);
        } else {
            int width = group.width();
            analysis.multiply(
                    group.analysis(), group.rank(), width, code.mean, x, width, tokens, y);
        }
        for (int c = 0; c < group.rank(); c++) {
            Arrays.fill(y, c * tokens, c * tokens + first, 0);
        }
        return y;
    }

    /** Says a group's classes from all its components, where the profile has classes. */
    void classify(GroupCode code, float[] components, int tokens, int first, int position) {
        if (!profile.classRows()) {
            return;
        }
        if (octaves.length < tokens) {
            octaves = new double[tokens];
        }
        octaves(code.group, components, tokens, octaves);
        for (int t = first; t < tokens; t++) {
            code.classes[t] = tokenClass(octaves[t], position + t);
        }
        Arrays.fill(code.classes, 0, first, profile.classes().centre());
    }

    /** Fills {@code code} and {@code tally} from its components; classes are known. */
    void round(GroupCode code, RungTally tally, float[] components, int tokens) {
        tally.begin(code, tokens, tokens - Math.min(profile.tailTokens(), tokens));
        float[] steps = tally.steps(profile.rungs() - 1);
        for (int c = 0; c < code.rank; c++) {
            round(c, components, c * tokens, steps, code.q, tokens);
            tally.add(code, c, components, c * tokens);
        }
    }

    private static void round(int c, float[] y, int at, float[] steps, int[] q, int tokens) {
        double largest = 0;
        for (int t = 0; t < tokens; t++) {
            double value = Math.abs((double) y[at + t]) / steps[t] + 0.5;
            largest = Math.max(largest, value); // NaN stays
            int magnitude = (int) value;
            q[at + t] = y[at + t] < 0 ? -magnitude : magnitude;
        }
        if (!(largest < VALUE_END)) {
            throw new InvalidRequestException(
                    "component " + c + " is " + largest + " steps, expected below 2^27");
        }
    }

    /** The probe of each token: probe[R] + Σ probe[c]·clamp(y/sigma, −5, 5), c ascending. */
    static void octaves(ProfileGroup group, float[] components, int tokens, double[] out) {
        float[] probe = group.probe();
        float[] sigma = group.sigma();
        Arrays.fill(out, 0, tokens, 0);
        for (int c = 0; c < sigma.length; c++) {
            addOctaves(components, c * tokens, sigma[c], probe[c], tokens, out);
        }
        for (int t = 0; t < tokens; t++) {
            out[t] += probe[sigma.length];
        }
    }

    private static void addOctaves(
            float[] y, int at, double sigma, double weight, int tokens, double[] out) {
        for (int t = 0; t < tokens; t++) {
            out[t] += weight * Math.min(Math.max(y[at + t] / sigma, -5), 5);
        }
    }

    /** round(2·(octaves + curve)), clamped. */
    int tokenClass(double octaves, int position) {
        double halves = Math.floor(2 * (octaves + profile.octaves(position)) + 0.5);
        Profile.Classes range = profile.classes();
        return (int) Math.min(Math.max(halves, range.min()), range.max());
    }

    /** The data-free profile's statistics (docs/codec.md), and y = (x − mean)/scale. */
    private void measure(GroupCode code, float[] x, int tokens, int first) {
        center(code, x, tokens, first);
        int row = 0;
        int[] layers = code.group.layers();
        int stored = geometry.storedLayers().size();
        for (int i = 0; i < layers.length; i++) {
            double weight = DataFree.valueWeight(groups.storedIndex(layers[i]), stored);
            int keys = code.group.heads().length * geometry.keyDim();
            int values = code.group.heads().length * geometry.valueDim();
            scale(code, 2 * i, x, row, keys, tokens, first, 1);
            scale(code, 2 * i + 1, x, row + keys, values, tokens, first, weight);
            row += keys + values;
        }
    }

    /** Takes means off x, and leaves the sum of each channel's squares. */
    private void center(GroupCode code, float[] x, int tokens, int first) {
        int width = code.group.width();
        sums = sums.length < width ? new double[width] : sums;
        Arrays.fill(sums, 0, width, 0);
        for (int t = first; t < tokens; t++) {
            for (int w = 0; w < width; w++) {
                sums[w] += x[t * width + w];
            }
        }
        for (int w = 0; w < width; w++) {
            code.mean[w] = mean(sums[w], tokens - first);
        }
        Arrays.fill(sums, 0, width, 0);
        for (int t = 0; t < tokens; t++) {
            for (int w = 0; w < width; w++) {
                x[t * width + w] -= code.mean[w];
            }
        }
        for (int t = first; t < tokens; t++) {
            addSquares(x, t * width, width);
        }
    }

    private void addSquares(float[] x, int at, int width) {
        for (int w = 0; w < width; w++) {
            double value = x[at + w];
            sums[w] += value * value;
        }
    }

    private void scale(
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
            total += sums[w];
        }
        double count = Math.max(1.0, (double) rows * (tokens - first));
        double rms = StrictMath.sqrt(total / count) * weight;
        float scale = rms > SCALE_MIN ? (float) rms : 1;
        InvalidRequestException.check(
                Float.isFinite(scale), "rms of layer " + code.group.layers()[part / 2], rms, "f32");
        code.scale[part] = scale;
        int width = code.group.width();
        for (int w = row; w < row + rows; w += COLUMNS) {
            int columns = Math.min(COLUMNS, row + rows - w);
            for (int t = 0; t < tokens; t++) {
                for (int j = 0; j < columns; j++) {
                    y[(w + j) * tokens + t] = x[t * width + w + j] / scale;
                }
            }
        }
        for (int w = row; w < row + rows; w++) {
            double square = squares(y, w * tokens + first, tokens - first);
            double sigma = StrictMath.sqrt(square / Math.max(1, tokens - first));
            code.sigmaIndex[w] = index(sigma / profile.step());
        }
    }

    private static int index(double ratio) {
        double octaves = StrictMath.log(Math.max(ratio, SCALE_MIN)) / StrictMath.log(2);
        double index = Math.floor(4 * octaves + 0.5) + 24;
        return (int) Math.min(Math.max(index, 0), 63);
    }

    private static float mean(double sum, int count) {
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
}
