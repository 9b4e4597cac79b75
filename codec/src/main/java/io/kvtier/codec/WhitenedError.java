package io.kvtier.codec;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileGroup;

/**
 * Squared error of a decoded block in a profile's whitened domain: the measure in which frames
 * state what each of their parts leaves (docs/format.md section 2). Reusable, not thread-safe.
 */
public final class WhitenedError {
    private final Profile profile;
    private final Matrix matrix = new Matrix();

    /**
     * A measure by a calibrated profile; without one, frames state an error in units that only they
     * know.
     */
    public WhitenedError(Profile profile) {
        check(!profile.statisticsInFrame(), "profile kind", profile.kind(), "a calibrated profile");
        this.profile = profile;
    }

    /**
     * The sum over all components and tokens of a chunk.
     *
     * @param original what was encoded
     * @param decoded a block of the same shape
     */
    public double between(KvBlock original, KvBlock decoded) {
        Geometry geometry = original.geometry();
        profile.checkShape(geometry);
        check(
                decoded.geometry().equals(geometry) && decoded.tokens() == original.tokens(),
                "decoded block",
                decoded.tokens() + " tokens",
                original.tokens() + " tokens of the same geometry");
        Groups from = new Groups(original);
        Groups to = new Groups(decoded);
        double sum = 0;
        for (ProfileGroup group : profile.groups()) {
            sum += between(group, from, to, original.tokens());
        }
        return sum;
    }

    private double between(ProfileGroup group, Groups original, Groups decoded, int tokens) {
        float[] x = new float[group.width() * tokens];
        float[] other = new float[x.length];
        original.gather(group, x);
        decoded.gather(group, other);
        for (int i = 0; i < x.length; i++) {
            x[i] -= other[i];
        }
        float[] y = new float[group.rank() * tokens];
        matrix.analyze(group.analysis(), group.rank(), group.width(), x, y, tokens);
        double sum = 0;
        for (float value : y) {
            sum += (double) value * value;
        }
        return sum;
    }
}
