package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;

/**
 * Gives slices of tokens 8, 4 or 2 bits by their density, the mean score of their tokens over all
 * layers and heads. LLMS: W. Yin et al., arXiv 2403.11805, section 3.2. Least is Σ density·4^−bits,
 * which is found exactly: in the best allocation denser slices never have fewer bits, so that only
 * the counts of each rate are free. A last, shorter slice counts as a whole one.
 *
 * @param sliceTokens tokens of a slice; 16
 */
public record SliceDensity(int sliceTokens) implements Allocator {
    private static final int HIGH = 8;
    private static final int MIDDLE = 4;
    private static final int LOW = 2;

    /** Checks the range. */
    public SliceDensity {
        check(sliceTokens >= 1, "tokens of a slice", sliceTokens, "at least 1");
    }

    @Override
    public String name() {
        return "8/4/2 bits by slices of " + sliceTokens;
    }

    @Override
    public RateMap allocate(DenseKv kv, Scores scores, RateMap from, long bytes) {
        float[] density = density(scores);
        int[] order = Ranking.descending(density, 0, density.length);
        int[] bits = new int[density.length];
        double best = Double.POSITIVE_INFINITY;
        RateMap out = from;
        for (int high = 0; high <= order.length; high++) {
            int middle = largestMiddle(kv, from, order, high, bytes);
            if (middle < 0) {
                break;
            }
            double loss = 0;
            for (int n = 0; n < order.length; n++) {
                bits[order[n]] = n < high ? HIGH : n < high + middle ? MIDDLE : LOW;
                loss += density[order[n]] * StrictMath.pow(4, -bits[order[n]]);
            }
            if (loss < best) {
                best = loss;
                out = lowered(from, bits);
            }
        }
        check(best < Double.POSITIVE_INFINITY, "budget in bytes", bytes, "2 bits an element");
        return out;
    }

    /** The most slices of 4 bits beside so many of 8; −1 = none fits. */
    private int largestMiddle(DenseKv kv, RateMap from, int[] order, int high, long bytes) {
        int low = -1;
        int top = order.length - high;
        while (low < top) {
            int middle = Math.floorDiv(low + top + 1, 2);
            int[] bits = new int[order.length];
            for (int n = 0; n < order.length; n++) {
                bits[order[n]] = n < high ? HIGH : n < high + middle ? MIDDLE : LOW;
            }
            if (lowered(from, bits).bytes(kv.geometry()) <= bytes) {
                low = middle;
            } else {
                top = middle - 1;
            }
        }
        return low;
    }

    private RateMap lowered(RateMap from, int[] bits) {
        RateMap out = from.copy();
        for (Kind kind : Kind.values()) {
            for (byte[] layer : out.plane(kind)) {
                for (int i = 0; i < layer.length; i++) {
                    int most = bits[i % from.tokens() / sliceTokens];
                    layer[i] = (byte) Math.min(layer[i], most);
                }
            }
        }
        return out;
    }

    private float[] density(Scores scores) {
        int tokens = scores.tokens();
        double[] sums = new double[(tokens + sliceTokens - 1) / sliceTokens];
        for (float[] layer : scores.values()) {
            for (int i = 0; i < layer.length; i++) {
                sums[i % tokens / sliceTokens] += layer[i];
            }
        }
        float[] out = new float[sums.length];
        for (int slice = 0; slice < out.length; slice++) {
            int size = Math.min(sliceTokens, tokens - slice * sliceTokens);
            double cells = (double) size * scores.kvHeads() * scores.values().length;
            out[slice] = (float) (sums[slice] / cells);
        }
        return out;
    }
}
