package io.kvtier.codec.profile;

import java.util.Arrays;

/**
 * What token ids say of a chunk's leading components (docs/format.md section 4): each id has
 * features, and a token is predicted linearly from its own and those of the tokens just before it.
 * Immutable; the matrix is lent.
 */
public final class TokenPrediction {
    private final int lags;
    private final float[] scale;
    private final byte[] table;
    private final float[] matrix;

    /**
     * Takes over the arrays.
     *
     * @param lags tokens that are looked at, the own one included
     * @param scale of each feature
     * @param table [vocabulary][features]
     * @param matrix [S][lags·features]
     */
    TokenPrediction(int lags, float[] scale, byte[] table, float[] matrix) {
        this.lags = lags;
        this.scale = scale;
        this.table = table;
        this.matrix = matrix;
    }

    /** Features of a token with those of the tokens before it. */
    public int width() {
        return lags * scale.length;
    }

    /** Ids that have features. */
    public int vocabulary() {
        return table.length / scale.length;
    }

    /** The matrix [S][width]; lent. */
    public float[] matrix() {
        return matrix;
    }

    /**
     * Writes feature j of token t to {@code out[t·width + j]}: 0 before the chunk and for ids
     * beyond the table.
     */
    public void features(int[] ids, float[] out) {
        int count = scale.length;
        int vocabulary = vocabulary();
        Arrays.fill(out, 0, ids.length * width(), 0);
        for (int t = 0; t < ids.length; t++) {
            for (int lag = 0; lag < lags && lag <= t; lag++) {
                int id = ids[t - lag];
                int to = t * width() + lag * count;
                for (int j = 0; j < count && id < vocabulary; j++) {
                    out[to + j] = table[id * count + j] * scale[j];
                }
            }
        }
    }
}
