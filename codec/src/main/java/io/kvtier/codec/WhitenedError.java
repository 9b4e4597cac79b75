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
    private final Analysis analysis = new Analysis();

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
        Groups groups = new Groups(geometry);
        double sum = 0;
        for (ProfileGroup group : profile.groups()) {
            sum += between(groups, group, original, decoded);
        }
        return sum;
    }

    private double between(Groups groups, ProfileGroup group, KvBlock original, KvBlock decoded) {
        int tokens = original.tokens();
        int width = group.width();
        float[] x = new float[width * tokens];
        float[] other = new float[x.length];
        groups.gather(original, group, x, width);
        groups.gather(decoded, group, other, width);
        for (int i = 0; i < x.length; i++) {
            x[i] -= other[i];
        }
        float[] y = new float[group.rank() * tokens];
        float[] mean = new float[width]; // of a difference: none
        analysis.multiply(group.analysis(), group.rank(), width, mean, x, width, tokens, y);
        double sum = 0;
        for (float value : y) {
            sum += (double) value * value;
        }
        return sum;
    }
}
