package io.kvtier.node.sim;

import io.kvtier.node.sim.BandwidthTrace.Step;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/** Makes links that behave as links do, each from a seed. */
final class RandomTrace {
    private static final double MS = 10;
    private static final double MBIT_MIN = 1;

    private final RandomGenerator random;
    private final double peak;
    private final double lengthMs;

    /** How a link's rate goes. */
    enum Kind {
        STEPS,
        RAMP,
        SAWTOOTH,
        FADING,
        COLLAPSE
    }

    private RandomTrace(RandomGenerator random, double peak, double lengthMs) {
        this.random = random;
        this.peak = peak;
        this.lengthMs = lengthMs;
    }

    /** A trace of a kind with a highest rate in Mbit/s, changing for so long. */
    static BandwidthTrace of(
            Kind kind, String name, double peak, double lengthMs, RandomGenerator random) {
        RandomTrace trace = new RandomTrace(random, peak, lengthMs);
        List<Step> steps =
                switch (kind) {
                    case STEPS -> trace.steps();
                    case RAMP -> trace.ramp();
                    case SAWTOOTH -> trace.sawtooth();
                    case FADING -> trace.fading();
                    case COLLAPSE -> trace.collapse();
                };
        return new BandwidthTrace(name, steps);
    }

    /** Other readers come and go: 50 to 500 ms at each rate. */
    private List<Step> steps() {
        List<Step> out = new ArrayList<>();
        for (double ms = 0; ms <= lengthMs; ms += between(50, 500)) {
            out.add(step(ms, peak * between(0.1, 1)));
        }
        return out;
    }

    private List<Step> ramp() {
        double first = peak * between(0.05, 1);
        double last = peak * between(0.05, 1);
        return every(ms -> first + (last - first) * ms / lengthMs);
    }

    /** What a sender does that slows down when a packet is lost. */
    private List<Step> sawtooth() {
        double period = between(100, 1000);
        double lowest = between(0.3, 0.7);
        return every(ms -> peak * (lowest + (1 - lowest) * (ms % period) / period));
    }

    /** A radio link: the logarithm wanders around its mean. */
    private List<Step> fading() {
        double spread = between(0.2, 0.8);
        double memory = Math.exp(-MS / between(50, 500));
        double[] state = {random.nextGaussian() * spread};
        return every(
                _ -> {
                    double innovation = spread * Math.sqrt(1 - memory * memory);
                    state[0] = memory * state[0] + innovation * random.nextGaussian();
                    return Math.min(peak, peak / 2 * Math.exp(state[0]));
                });
    }

    /** A link that falls to a share of itself, and may come back. */
    private List<Step> collapse() {
        double fall = lengthMs * between(0.1, 0.6);
        double back = random.nextBoolean() ? fall + lengthMs * between(0.1, 0.5) : 2 * lengthMs;
        double low = peak / between(3, 25);
        return List.of(step(0, peak), step(fall, low), step(back, peak));
    }

    private interface Rate {
        double at(double ms);
    }

    private List<Step> every(Rate rate) {
        List<Step> out = new ArrayList<>();
        for (double ms = 0; ms <= lengthMs; ms += MS) {
            out.add(step(ms, rate.at(ms)));
        }
        return out;
    }

    private static Step step(double ms, double mbit) {
        return new Step(ms, Math.max(MBIT_MIN, mbit));
    }

    private double between(double least, double most) {
        return least + (most - least) * random.nextDouble();
    }
}
