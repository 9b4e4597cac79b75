package io.kvtier.codec;

import io.kvtier.codec.profile.ProfileGroup;
import java.util.Arrays;

/** Everything that a frame holds of one group: statistics, classes, indices. Reused by chunks. */
final class GroupCode {
    /** What the entropy decoder may write behind a row. */
    static final int PADDING = 32;

    final ProfileGroup group;
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

    GroupCode(ProfileGroup group, boolean statisticsInFrame) {
        this.group = group;
        boolean own = statisticsInFrame;
        mean = own ? new float[group.width()] : group.mean();
        sigmaIndex = own ? new int[group.width()] : group.sigmaIndex();
        scale = new float[own ? 2 * group.layers().length : 0];
    }

    void reset(int tokens) {
        int size = group.rank() * tokens + PADDING;
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
