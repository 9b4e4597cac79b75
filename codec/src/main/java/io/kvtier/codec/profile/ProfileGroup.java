package io.kvtier.codec.profile;

import io.kvtier.codec.error.InvalidRequestException;

/**
 * One layer group × head group of a profile. Its channels are, layer by layer, the heads' keys,
 * then the heads' values. Arrays are lent to readers, who never write to them; those of statistics
 * are empty when the statistics travel in the frame.
 */
public final class ProfileGroup {
    private final int[] layers;
    private final int[] heads;
    private final int width;
    private final int rank;
    private final Statistics statistics;

    /**
     * What calibration knows of a group.
     *
     * @param mean f32[W]
     * @param sigma f32[R], falling
     * @param sigmaIndex table of each component, 0..63
     * @param probe f32[R+1] or empty, the constant last
     * @param analysis f32[R][W], row a component, values of f16
     * @param synthesis the same shape
     */
    @SuppressWarnings("ArrayRecordComponent") // matrices, lent and never compared
    record Statistics(
            float[] mean,
            float[] sigma,
            int[] sigmaIndex,
            float[] probe,
            float[] analysis,
            float[] synthesis) {
        static final Statistics IN_FRAME =
                new Statistics(
                        new float[0],
                        new float[0],
                        new int[0],
                        new float[0],
                        new float[0],
                        new float[0]);
    }

    ProfileGroup(int[] layers, int[] heads, int width, int rank, Statistics statistics) {
        this.layers = layers.clone();
        this.heads = heads.clone();
        this.width = width;
        this.rank = rank;
        this.statistics = statistics;
        InvalidRequestException.check(
                rank >= 1 && rank <= width, "rank of a group", rank, "1.." + width);
    }

    /** Layers of the model, all stored, ascending. */
    public int[] layers() {
        return layers.clone();
    }

    /** KV heads, ascending. */
    public int[] heads() {
        return heads.clone();
    }

    /** Channels: W. */
    public int width() {
        return width;
    }

    /** Components: R. */
    public int rank() {
        return rank;
    }

    /** Mean of each channel; lent. */
    public float[] mean() {
        return statistics.mean;
    }

    /** Standard deviation of each component; lent. */
    public float[] sigma() {
        return statistics.sigma;
    }

    /** Table of each component at class 0; lent. */
    public int[] sigmaIndex() {
        return statistics.sigmaIndex;
    }

    /** Weights of the token class, the constant last; lent. */
    public float[] probe() {
        return statistics.probe;
    }

    /** Analysis matrix [R][W]; lent. */
    public float[] analysis() {
        return statistics.analysis;
    }

    /** Synthesis matrix [R][W]; lent. */
    public float[] synthesis() {
        return statistics.synthesis;
    }
}
