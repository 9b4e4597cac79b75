package io.kvtier.codec;

import io.kvtier.codec.profile.DeepTransform;
import io.kvtier.codec.profile.Profile;
import java.util.Arrays;
import java.util.List;

/**
 * Turns the groups of one chunk into the codes of a deep profile: {@link #begin}, each group once,
 * {@link #shared}, then {@link #own}. Reusable, not thread-safe.
 */
final class DeepEncoder {
    private static final double LOG_2 = StrictMath.log(2);

    private final Profile profile;
    private final GroupEncoder encoder;
    private final LeadingRows leading;
    private final float[][] own;
    private double[] sensitivity = new double[0];
    private double[] octaves = new double[0];
    private int tokens;
    private int first;

    DeepEncoder(Profile profile, DeepTransform deep, GroupEncoder encoder) {
        this.profile = profile;
        this.encoder = encoder;
        leading = new LeadingRows(deep);
        own = new float[profile.groups().size()][0];
    }

    /** Starts a block, of whose tokens those before {@code rawTokens} are raw. */
    void begin(KvBlock block, int rawTokens) {
        tokens = block.tokens();
        first = rawTokens;
        leading.begin(tokens, block.tokenIds());
        if (sensitivity.length < tokens) {
            sensitivity = new double[tokens];
            octaves = new double[tokens];
        }
        Arrays.fill(sensitivity, 0, tokens, 0);
    }

    /** Takes a group's rows of x, which are overwritten. */
    void add(int index, GroupCode code, float[] x) {
        float[] components = encoder.transform(code, x, tokens, first);
        leading.put(index, components);
        int size = code.rank * tokens;
        if (own[index].length < size) {
            own[index] = new float[size];
        }
        System.arraycopy(components, code.leading * tokens, own[index], 0, size);
        if (profile.classRows()) {
            GroupEncoder.octaves(code.group, components, tokens, octaves);
            for (int t = first; t < tokens; t++) {
                sensitivity[t] += StrictMath.pow(2, -2 * octaves[t]);
            }
        }
    }

    /** Fills the shared components, the first of the codes, and the classes of all. */
    void shared(List<GroupCode> codes, RungTally tally, int position) {
        int[] classes = codes.getFirst().classes;
        if (profile.classRows()) {
            Arrays.fill(classes, 0, first, profile.classes().centre());
            for (int t = first; t < tokens; t++) {
                double mean = sensitivity[t] / own.length;
                double all = -0.5 * StrictMath.log(mean) / LOG_2;
                classes[t] = encoder.tokenClass(all, position + t);
            }
        }
        for (GroupCode code : codes) {
            System.arraycopy(classes, 0, code.classes, 0, tokens);
        }
        GroupCode shared = codes.getFirst();
        float[] rows = encoder.transform(shared, leading.rest(), tokens, first);
        encoder.round(shared, tally, rows, tokens);
    }

    /** Fills what a group keeps of its own. */
    void own(int index, GroupCode code, RungTally tally) {
        encoder.round(code, tally, own[index], tokens);
    }
}
