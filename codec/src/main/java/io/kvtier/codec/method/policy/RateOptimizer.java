package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Chooses the rate of each slice of tokens, layer, head and kind so that the distortion that was
 * measured on this chunk is least: Lagrangian optimization on the convex hulls, Y. Shoham and A.
 * Gersho, IEEE TASSP 1988. The survey's idea of rates by context: scores may be attention, surprise
 * or a mixture.
 *
 * <p>Scores are weights w, negative ones as 0. The distortion of values is Σ w‖Δv‖², that of keys Σ
 * w'‖v‖²‖Δk‖²/D: what their error moves the output for queries of unit energy a channel. w' is w,
 * but at least the head's mean: a key that nobody attends to is attended to when its error lifts
 * its logit. Δ is the error of rounding between a row's least and largest element.
 *
 * @param sliceTokens tokens of a slice
 * @param rates to choose from, rising, the first affordable everywhere
 */
public record RateOptimizer(int sliceTokens, List<Integer> rates) implements Allocator {
    /** Checks the ranges. */
    public RateOptimizer {
        rates = List.copyOf(rates);
        check(sliceTokens >= 1, "tokens of a slice", sliceTokens, "at least 1");
        check(
                !rates.isEmpty()
                        && rates.getFirst() >= 1
                        && rates.getLast() <= RateMap.RAW
                        && rates.stream().distinct().sorted().toList().equals(rates),
                "rates",
                rates,
                "rising numbers in 1..16");
    }

    /** Raising one unit from a rate to a higher one. */
    private record Step(int unit, int rate, double gain, long cost) {
        double slope() {
            return gain / cost;
        }
    }

    @Override
    public String name() {
        return "optimized by slices of " + sliceTokens;
    }

    @Override
    public RateMap allocate(DenseKv kv, Scores scores, RateMap from, long bytes) {
        int slices = (kv.tokens() + sliceTokens - 1) / sliceTokens;
        int heads = from.kvHeads();
        int units = 2 * from.layers() * heads * slices;
        double[][] distortion = new double[units][rates.size()];
        long[][] cost = new long[units][rates.size()];
        for (int unit = 0; unit < units; unit++) {
            for (int i = 0; i < cost[unit].length; i++) {
                measure(kv, scores, from, unit, i, distortion, cost);
            }
        }
        int[] chosen = choose(distortion, cost, 8 * bytes);
        RateMap out = from.copy();
        for (int unit = 0; unit < units; unit++) {
            int layer = unit / slices / heads % from.layers();
            byte[] bits = out.plane(kind(unit, units))[layer];
            for (int token = first(unit, slices); token < end(unit, slices, kv); token++) {
                int at = unit / slices % heads * kv.tokens() + token;
                bits[at] = (byte) Math.min(bits[at], rates.get(chosen[unit]));
            }
        }
        return out;
    }

    /**
     * For each unit the index of a rate such that the costs sum to at most {@code budget}, and no
     * choice of equal or lower cost has less distortion. Units climb their convex hulls in the
     * order of gain per cost, ties to the lower unit, up to the first step that is too dear.
     *
     * @param distortion by unit and rate
     * @param cost the same shape, rising with the rate
     */
    static int[] choose(double[][] distortion, long[][] cost, long budget) {
        List<Step> steps = new ArrayList<>();
        long spent = 0;
        for (int unit = 0; unit < cost.length; unit++) {
            spent += cost[unit][0];
            steps.addAll(hull(unit, distortion[unit], cost[unit]));
        }
        check(spent <= budget, "budget in bits", budget, "at least " + spent);
        steps.sort(Comparator.comparingDouble(Step::slope).reversed());
        int[] out = new int[cost.length];
        for (Step step : steps) {
            spent += step.cost;
            if (spent > budget) {
                break;
            }
            out[step.unit] = step.rate;
        }
        return out;
    }

    /** The steps of a unit's lower convex hull, by falling slope. */
    private static List<Step> hull(int unit, double[] distortion, long[] cost) {
        List<Step> out = new ArrayList<>();
        int at = 0;
        while (at < cost.length) {
            Step best = new Step(unit, -1, 0, 1);
            for (int to = at + 1; to < cost.length; to++) {
                Step step =
                        new Step(unit, to, distortion[at] - distortion[to], cost[to] - cost[at]);
                if (step.cost > 0 && step.slope() > best.slope()) {
                    best = step;
                }
            }
            if (best.rate < 0) {
                break;
            }
            out.add(best);
            at = best.rate;
        }
        return out;
    }

    private void measure(
            DenseKv kv,
            Scores scores,
            RateMap from,
            int unit,
            int rate,
            double[][] distortion,
            long[][] cost) {
        int slices = (kv.tokens() + sliceTokens - 1) / sliceTokens;
        int heads = from.kvHeads();
        int layer = unit / slices / heads % from.layers();
        int head = unit / slices % heads;
        Kind kind = kind(unit, cost.length);
        int dim = kv.dim(kind);
        double least = kind == Kind.KEYS ? mean(scores, layer, head) : 0;
        for (int token = first(unit, slices); token < end(unit, slices, kv); token++) {
            int bits = Math.min(from.bits(kind, layer, head, token), rates.get(rate));
            cost[unit][rate] += (long) dim * bits;
            double weight = Math.max(least, scores.at(layer, head, token));
            int at = (token * heads + head) * dim;
            double error = roundingError(kv.plane(kind)[layer], at, dim, bits);
            if (kind == Kind.KEYS) {
                int width = kv.dim(Kind.VALUES);
                int value = (token * heads + head) * width;
                weight *= energy(kv.values()[layer], value, width) / dim;
            }
            distortion[unit][rate] += weight * error;
        }
    }

    /** Mean weight of a head's tokens. */
    private static double mean(Scores scores, int layer, int head) {
        double sum = 0;
        for (int token = 0; token < scores.tokens(); token++) {
            sum += Math.max(0, scores.at(layer, head, token));
        }
        return sum / scores.tokens();
    }

    private static Kind kind(int unit, int units) {
        return unit < units / 2 ? Kind.KEYS : Kind.VALUES;
    }

    private int first(int unit, int slices) {
        return unit % slices * sliceTokens;
    }

    private int end(int unit, int slices, DenseKv kv) {
        return Math.min(first(unit, slices) + sliceTokens, kv.tokens());
    }

    private static double energy(float[] x, int at, int length) {
        double sum = 0;
        for (int i = at; i < at + length; i++) {
            sum += (double) x[i] * x[i];
        }
        return sum;
    }

    /** Square error of a row at so many bits; 0 bits lose it all, 16 nothing. */
    private static double roundingError(float[] x, int at, int length, int bits) {
        if (bits == 0 || bits == RateMap.RAW) {
            return bits == 0 ? energy(x, at, length) : 0;
        }
        double low = Double.POSITIVE_INFINITY;
        double high = Double.NEGATIVE_INFINITY;
        for (int i = at; i < at + length; i++) {
            low = Math.min(low, x[i]);
            high = Math.max(high, x[i]);
        }
        double unit = (high - low) / ((1 << bits) - 1);
        double sum = 0;
        for (int i = at; i < at + length && unit > 0; i++) {
            double error = x[i] - low - unit * Math.rint((x[i] - low) / unit);
            sum += error * error;
        }
        return sum;
    }
}
