package io.kvtier.codec.profile;

import io.kvtier.codec.identity.Digest;
import java.util.Arrays;
import java.util.List;

/**
 * What a profile says of itself, without its matrices: for people, and for choosing a level. It was
 * checked against its own checksum but not against a geometry, so nothing is coded by it.
 *
 * @param id SHA-256 of the file
 * @param shape digest of the geometry it was made for
 * @param classRows whether each token has a class
 * @param firstTokenRaw whether the first token of a sequence is sent as it is
 * @param step quantizer step of rung 0
 * @param rungs of the tail in a default frame
 * @param tailTokens tokens of a full tail
 * @param classes range and coding of token classes, in half octaves
 * @param provenance model, texts, date, tool
 * @param levels named choices of rungs
 * @param loss bounds by distortion, ascending
 * @param curve octaves added to the step by position
 * @param groups at layerGroup·headGroups + headGroup
 */
public record ProfileOutline(
        Digest id,
        Digest shape,
        Profile.Kind kind,
        boolean classRows,
        boolean firstTokenRaw,
        float step,
        int rungs,
        int tailTokens,
        int layerGroups,
        int headGroups,
        Profile.Classes classes,
        String provenance,
        List<Level> levels,
        List<LossPoint> loss,
        List<Profile.CurvePoint> curve,
        List<Group> groups) {
    /**
     * One layer group × head group.
     *
     * @param width channels
     * @param rank components
     * @param sigma standard deviation of each component, falling
     */
    public record Group(
            List<Integer> layers, List<Integer> heads, int width, int rank, List<Float> sigma) {
        /** Copies the lists. */
        public Group {
            layers = List.copyOf(layers);
            heads = List.copyOf(heads);
            sigma = List.copyOf(sigma);
        }
    }

    /** Copies the lists. */
    public ProfileOutline {
        levels = List.copyOf(levels);
        loss = List.copyOf(loss);
        curve = List.copyOf(curve);
        groups = List.copyOf(groups);
    }

    /** The outline of a profile. */
    static ProfileOutline of(Profile profile) {
        return new ProfileOutline(
                profile.id(),
                profile.shape(),
                profile.kind(),
                profile.classRows(),
                profile.firstTokenRaw(),
                profile.step(),
                profile.rungs(),
                profile.tailTokens(),
                profile.layerGroups(),
                profile.headGroups(),
                profile.classes(),
                profile.provenance(),
                profile.levels(),
                profile.loss(),
                profile.curve(),
                profile.groups().stream().map(ProfileOutline::group).toList());
    }

    private static Group group(ProfileGroup group) {
        float[] sigma = group.sigma();
        Float[] boxed = new Float[sigma.length];
        Arrays.setAll(boxed, c -> sigma[c]);
        return new Group(
                Arrays.stream(group.layers()).boxed().toList(),
                Arrays.stream(group.heads()).boxed().toList(),
                group.width(),
                group.rank(),
                List.of(boxed));
    }
}
