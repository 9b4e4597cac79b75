package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.Rotation;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Scorer;
import io.kvtier.codec.method.Scores;
import java.util.Set;

/**
 * Scores a token by the attention that queries still to come will pay to it in the mean, times the
 * L2 norm of its value: queries are Gaussian, so E[exp(q·k/√D)] = exp(k·μ/√D + kᵀΣk/2D). A. Devoto
 * et al., arXiv 2510.00636. The RoPE of the queries is averaged over the positions behind the
 * chunk. Moments that were calibrated once for the model may be sent as the hint.
 *
 * @param future positions behind the chunk; 512 in the paper
 * @param sinks first tokens, above all others and outside the softmax
 */
public record ExpectedAttention(int future, int sinks) implements Scorer {
    /** Checks the ranges. */
    public ExpectedAttention {
        check(future >= 1, "future positions", future, "at least 1");
        check(sinks >= 0, "sinks", sinks, "0 or more");
    }

    @Override
    public String name() {
        return "expected attention over " + future;
    }

    @Override
    public Set<Hint> needs() {
        return Set.of(Hint.QUERY_MOMENTS);
    }

    @Override
    public Scores score(DenseKv kv, Hints hints) {
        Geometry geometry = kv.geometry();
        int dim = geometry.keyDim();
        int row = dim * (1 + dim);
        float[] moments =
                hints.get(Hint.QUERY_MOMENTS, kv.keys().length * geometry.queryHeads() * row);
        Scores out = Scores.zeros(kv.keys().length, geometry.kvHeads(), kv.tokens());
        int group = geometry.queryHeads() / geometry.kvHeads();
        for (int layer = 0; layer < kv.keys().length; layer++) {
            Rope rope = geometry.ropeOf(geometry.storedLayers().get(layer));
            double[][] mean = meanRotation(rope, kv.firstPosition() + kv.tokens());
            for (int query = 0; query < geometry.queryHeads(); query++) {
                int at = (layer * geometry.queryHeads() + query) * row;
                double[][] rows = new double[1 + dim][dim];
                for (int i = 0; i < row; i++) {
                    rows[i / dim][i % dim] = moments[at + i];
                }
                add(kv, layer, query / group, turn(rows, rope, mean), group, out);
            }
        }
        return Ranking.raise(byValueNorm(kv, out), token -> token < sinks);
    }

    /** Adds a query head's expected weights to the scores of its KV head. */
    private void add(DenseKv kv, int layer, int head, double[][] moments, int group, Scores out) {
        int dim = kv.geometry().keyDim();
        int first = Math.min(sinks, kv.tokens());
        double[] logits = new double[kv.tokens()];
        double top = Double.NEGATIVE_INFINITY;
        for (int token = first; token < kv.tokens(); token++) {
            int at = (token * kv.geometry().kvHeads() + head) * dim;
            double linear = 0;
            double square = 0;
            for (int i = 0; i < dim; i++) {
                double key = kv.keys()[layer][at + i];
                double product = 0;
                for (int j = 0; j < dim; j++) {
                    product += moments[1 + i][j] * kv.keys()[layer][at + j];
                }
                linear += moments[0][i] * key;
                square += key * product;
            }
            logits[token] = linear / Math.sqrt(dim) + square / dim / 2;
            top = Math.max(top, logits[token]);
        }
        double sum = 0;
        for (int token = first; token < kv.tokens(); token++) {
            logits[token] = StrictMath.exp(logits[token] - top);
            sum += logits[token];
        }
        for (int token = first; token < kv.tokens(); token++) {
            out.values()[layer][head * kv.tokens() + token] +=
                    (float) (logits[token] / sum / group);
        }
    }

    private static Scores byValueNorm(DenseKv kv, Scores scores) {
        int heads = kv.geometry().kvHeads();
        int dim = kv.geometry().valueDim();
        return TokenScore.all(
                kv,
                (layer, head, token) -> {
                    int at = (token * heads + head) * dim;
                    double square = 0;
                    for (int d = at; d < at + dim; d++) {
                        square += (double) kv.values()[layer][d] * kv.values()[layer][d];
                    }
                    return scores.at(layer, head, token) * Math.sqrt(square);
                });
    }

    /** Mean cosine and sine of each pair over the future positions. */
    private double[][] meanRotation(Rope rope, int position) {
        int pairs = rope.rotaryDims() / 2;
        double[][] out = new double[2][pairs];
        Rotation rotation = new Rotation(rope);
        rotation.begin(position, future);
        boolean halves = rope.style() == Rope.Style.ROTATE_HALF;
        for (int t = 0; t < future; t++) {
            float[] unit = new float[rope.rotaryDims()];
            for (int pair = 0; pair < pairs; pair++) {
                unit[halves ? pair : 2 * pair] = 1;
            }
            rotation.rotate(unit, 0, t, true);
            for (int pair = 0; pair < pairs; pair++) {
                out[0][pair] += unit[halves ? pair : 2 * pair] / future;
                out[1][pair] += unit[halves ? pair + pairs : 2 * pair + 1] / future;
            }
        }
        return out;
    }

    /** (μ; Σ) to (R̄μ; R̄ΣR̄ᵀ) for the mean rotation R̄. */
    private static double[][] turn(double[][] moments, Rope rope, double[][] mean) {
        for (double[] row : moments) {
            turn(row, rope, mean);
        }
        double[] column = new double[moments.length - 1];
        for (int j = 0; j < column.length; j++) {
            for (int i = 0; i < column.length; i++) {
                column[i] = moments[1 + i][j];
            }
            turn(column, rope, mean);
            for (int i = 0; i < column.length; i++) {
                moments[1 + i][j] = column[i];
            }
        }
        return moments;
    }

    private static void turn(double[] x, Rope rope, double[][] mean) {
        int pairs = rope.rotaryDims() / 2;
        boolean halves = rope.style() == Rope.Style.ROTATE_HALF;
        for (int pair = 0; pair < pairs; pair++) {
            int i = halves ? pair : 2 * pair;
            int j = halves ? pair + pairs : i + 1;
            double a = x[i];
            double b = x[j];
            x[i] = a * mean[0][pair] - b * mean[1][pair];
            x[j] = b * mean[0][pair] + a * mean[1][pair];
        }
    }
}
