package io.kvtier.flight.share;

import java.util.Arrays;
import java.util.List;

/**
 * Shares of a link, weighted max-min: nobody below its need, nobody above its want, and between
 * them in proportion to one over the slack to the deadline. When not even the needs fit, each
 * stream gets the same part of its need.
 */
public final class FairShares {
    /* A stream's rate at water level x is clamp(x * weight, floor, ceiling), which rises with x
     * along straight lines, so the level at which the sum is the link's rate lies between two
     * neighbours of all floor/weight and ceiling/weight.
     */
    private final double[] rates;

    private FairShares(double[] rates) {
        this.rates = rates;
    }

    /** The shares of streams, in their order. */
    public static FairShares of(double bytesPerSecond, List<Demand> streams) {
        int count = streams.size();
        double[] floors = new double[count];
        double[] ceilings = new double[count];
        double[] weights = new double[count];
        double[] levels = new double[2 * count];
        for (int i = 0; i < count; i++) {
            Demand stream = streams.get(i);
            floors[i] = stream.floor();
            ceilings[i] = stream.ceiling();
            weights[i] = stream.weight(bytesPerSecond);
            levels[2 * i] = floors[i] / weights[i];
            levels[2 * i + 1] = ceilings[i] / weights[i];
        }
        double needed = Arrays.stream(floors).sum();
        if (needed >= bytesPerSecond) {
            return new FairShares(
                    Arrays.stream(floors).map(each -> each * bytesPerSecond / needed).toArray());
        }
        Arrays.sort(levels);
        double below = 0;
        double level = 0;
        double reached = needed;
        for (int i = 0; i < levels.length && reached < bytesPerSecond; i++) {
            below = level;
            level = levels[i];
            double before = reached;
            reached = sum(level, floors, ceilings, weights);
            if (reached > bytesPerSecond) {
                level = below + (level - below) * (bytesPerSecond - before) / (reached - before);
            }
        }
        double[] out = new double[count];
        for (int i = 0; i < count; i++) {
            out[i] = Math.clamp(level * weights[i], floors[i], ceilings[i]);
        }
        return new FairShares(out);
    }

    /** Bytes a second of one stream. */
    public double bytesPerSecond(int stream) {
        return rates[stream];
    }

    private static double sum(double level, double[] floors, double[] ceilings, double[] weights) {
        double sum = 0;
        for (int i = 0; i < floors.length; i++) {
            sum += Math.clamp(level * weights[i], floors[i], ceilings[i]);
        }
        return sum;
    }
}
