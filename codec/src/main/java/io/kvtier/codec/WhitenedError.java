package io.kvtier.codec;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileGroup;

/**
 * Squared error of a decoded block in a profile's whitened domain, each token's over 4^(octaves of
 * its class): the measure in which frames state what each of their parts leaves (docs/format.md
 * section 2). Reusable, not thread-safe.
 */
public final class WhitenedError {
    private final Profile profile;
    private final Analysis analysis = new Analysis();

    /**
     * A measure by a profile of kind layer, joint or head; data-free frames state an error in units
     * that only they know, deep ones in those of all layers together.
     */
    public WhitenedError(Profile profile) {
        check(
                !profile.statisticsInFrame() && profile.deep().isEmpty(),
                "profile kind",
                profile.kind(),
                "LAYER, JOINT or HEAD");
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
        GroupEncoder encoder = new GroupEncoder(profile, geometry, groups);
        double sum = 0;
        for (GroupCode code : GroupCode.of(profile)) {
            sum += between(groups, encoder, code, original, decoded);
        }
        return sum;
    }

    private double between(
            Groups groups,
            GroupEncoder encoder,
            GroupCode code,
            KvBlock original,
            KvBlock decoded) {
        ProfileGroup group = code.group;
        int tokens = original.tokens();
        int width = group.width();
        float[] x = new float[width * tokens];
        float[] other = new float[x.length];
        groups.gather(original, group, x, width);
        groups.gather(decoded, group, other, width);
        for (int i = 0; i < x.length; i++) {
            other[i] -= x[i];
        }
        int raw = profile.firstTokenRaw() && original.firstPosition() == 0 ? 1 : 0;
        code.reset(tokens);
        float[] components = encoder.transform(code, x, tokens, raw);
        encoder.classify(code, components, tokens, raw, original.firstPosition());
        float[] y = new float[group.rank() * tokens];
        float[] mean = new float[width]; // of a difference: none
        analysis.multiply(group.analysis(), group.rank(), width, mean, other, width, tokens, y);
        double sum = 0;
        for (int i = 0; i < y.length; i++) {
            double weight = Math.scalb(1.0, -code.classes[i % tokens]);
            sum += (double) y[i] * y[i] * weight;
        }
        return sum;
    }
}
