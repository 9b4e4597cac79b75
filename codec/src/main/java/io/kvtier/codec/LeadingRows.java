package io.kvtier.codec;

import io.kvtier.codec.profile.DeepTransform;
import io.kvtier.codec.profile.TokenPrediction;

/**
 * The leading components of all groups of one chunk, token-major, group after group: what the deep
 * transform works on (z of docs/format.md section 3.1), and what the chunk's token ids predict of
 * it. Reusable, not thread-safe.
 */
final class LeadingRows {
    private final DeepTransform deep;
    private final int width;
    private final Analysis analysis = new Analysis();
    private final float[] none;
    private float[] features = new float[0];
    private float[] predicted = new float[0];
    private float[] z = new float[0];
    private int stride;
    private int tokens;

    LeadingRows(DeepTransform deep) {
        this.deep = deep;
        width = deep.shared().width();
        none = new float[deep.prediction().map(TokenPrediction::width).orElse(0)];
    }

    /** Starts a chunk of {@code n} tokens, whose ids are needed if the profile predicts. */
    void begin(int n, int[] ids) {
        tokens = n;
        deep.prediction().ifPresent(prediction -> predict(prediction, ids));
    }

    private void predict(TokenPrediction prediction, int[] ids) {
        if (predicted.length < width * tokens) {
            predicted = new float[width * tokens];
            features = new float[prediction.width() * tokens];
        }
        prediction.features(ids, features);
        analysis.multiply(
                prediction.matrix(),
                width,
                prediction.width(),
                none,
                features,
                prediction.width(),
                tokens,
                predicted);
    }

    /** Takes the leading components of a group: component c of token t at {@code y[c·n + t]}. */
    void put(int group, float[] y) {
        stride = width;
        if (z.length < width * tokens) {
            z = new float[width * tokens];
        }
        int from = group * deep.leading();
        boolean less = deep.prediction().isPresent();
        for (int c = 0; c < deep.leading(); c++) {
            for (int t = 0; t < tokens; t++) {
                float part = less ? predicted[(from + c) * tokens + t] : 0;
                z[t * stride + from + c] = y[c * tokens + t] - part;
            }
        }
    }

    /** All that was put, less what was predicted: channel i of token t at {@code t·width + i}. */
    float[] rest() {
        return z;
    }

    /** Lends what {@link #rest} decodes to; channel i of token t at {@code t·stride + i}. */
    void take(float[] decoded, int decodedStride) {
        z = decoded;
        stride = decodedStride;
    }

    /** Writes component c of a group for all tokens, the prediction added. */
    void row(int group, int c, float[] out) {
        int i = group * deep.leading() + c;
        boolean more = deep.prediction().isPresent();
        for (int t = 0; t < tokens; t++) {
            float value = z[t * stride + i];
            out[t] = more ? value + predicted[i * tokens + t] : value;
        }
    }
}
