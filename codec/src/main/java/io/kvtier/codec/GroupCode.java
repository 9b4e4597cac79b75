package io.kvtier.codec;

import io.kvtier.codec.profile.DeepTransform;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileGroup;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Everything that a frame holds of one group: statistics, classes, indices. Reused by chunks. */
final class GroupCode {
    /** What the entropy decoder may write behind a row. */
    static final int PADDING = 32;

    final ProfileGroup group;

    /** Components that the deep transform has taken: rows of q begin behind them. */
    final int leading;

    /** Rows of q: components that are coded here. */
    final int rank;

    /** Whether the base says the classes of the tokens, else the shared components do. */
    final boolean classRow;

    final float[] mean;

    /** Of (layer, keys or values), in row order. */
    final float[] scale;

    final int[] sigmaIndex;
    int[] classes = new int[0];

    /**
     * Component c of token t at c·tokens + t: finest in an encoder, as far as known in a decoder.
     */
    int[] q = new int[0];

    /** Rung that head and tail tokens are decoded to, −1 = nothing. */
    int headRung;

    int tailRung;

    /** Components below this may differ from 0. */
    int active;

    byte[] raw = new byte[0];
    boolean hasRaw;

    private GroupCode(Profile profile, ProfileGroup group, int leading) {
        this.group = group;
        this.leading = leading;
        rank = group.rank() - leading;
        classRow = profile.classRows() && leading == 0;
        boolean own = profile.statisticsInFrame();
        mean = own ? new float[group.width()] : group.mean();
        int[] index = group.sigmaIndex();
        sigmaIndex =
                own ? new int[group.width()] : Arrays.copyOfRange(index, leading, index.length);
        scale = new float[own ? 2 * group.layers().length : 0];
    }

    /** Codes of a frame's layer groups and head groups, in order. */
    static List<GroupCode> of(Profile profile) {
        List<GroupCode> codes = new ArrayList<>();
        profile.deep().ifPresent(deep -> codes.add(new GroupCode(profile, deep.shared(), 0)));
        int leading = profile.deep().map(DeepTransform::leading).orElse(0);
        profile.groups().forEach(group -> codes.add(new GroupCode(profile, group, leading)));
        return codes;
    }

    /** Whether these are the shared components of a deep profile, which have no layer. */
    boolean isShared() {
        return group.layers().length == 0;
    }

    void reset(int tokens) {
        int size = rank * tokens + PADDING;
        if (q.length < size) {
            q = new int[size];
        }
        if (classes.length < tokens) {
            classes = new int[tokens];
        }
        Arrays.fill(classes, 0, tokens, 0);
        headRung = -1;
        tailRung = -1;
        active = 0;
        hasRaw = false;
    }
}
