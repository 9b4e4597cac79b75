package io.kvtier.storage;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * How soon chunks come back, learned from those that did and those that did not.
 *
 * <p>A chunk belongs to the class of its uses so far, 0 to {@value #USES_MAX} or more; its age is
 * the time since its last use. For each class the model counts at which ages chunks were used
 * again, and at which they were forgotten. From these it derives the hazard of reuse by age, and
 * from that the <em>worth</em> of keeping a chunk: the largest ratio, over all spans of time that
 * it might be kept for, of the chance of reuse within the span to the expected time it occupies
 * (the index of Gittins, 1979, for one item). A person answers after a minute or two, so the worth
 * of a chunk falls only after that time, and a conversation that went on once is worth several that
 * never did.
 *
 * <p>Worth never rises with age and never falls with uses. A parent was used whenever its child
 * was, so it is as worthy at least, and prefixes lose their tails first.
 *
 * <p>Thread-safety: {@link #reused} and {@link #forgotten} from any thread, without a lock; {@link
 * #fit} and {@link #forget} from one at a time; {@link #worth} from any, of the last fit.
 */
final class ReuseModel {
    /** Uses that are told apart: 0, 1, … and this many or more. */
    static final int USES_MAX = 6;

    /** Classes of chunks. */
    static final int CLASSES = USES_MAX + 1;

    /* Two bins an octave from 1 s to 2^17 s, 36 hours, and one below and one above. */
    private static final int BINS = 36;
    private static final double SECOND = 1e9;

    /** Reuse of a chunk about which nothing is known: once in 10,000 s, known as from 200 s. */
    private static final double PRIOR_EVENTS = 0.02;

    private static final double PRIOR_SECONDS = 200;

    /**
     * Of what was counted, a sixteenth is forgotten at a time, so that the model follows the load.
     */
    private static final int FORGET_SHIFT = 4;

    private final AtomicLongArray reused = new AtomicLongArray(CLASSES * BINS);
    private final AtomicLongArray forgotten = new AtomicLongArray(CLASSES * BINS);
    private volatile double[] worth = fitted();

    /** A chunk of so many uses before was used again at an age. */
    void reused(int uses, long ageNanos) {
        reused.incrementAndGet(cell(uses, ageNanos));
    }

    /** A chunk was given up or forgotten at an age, without another use. */
    void forgotten(int uses, long ageNanos) {
        forgotten.incrementAndGet(cell(uses, ageNanos));
    }

    /** Worth of keeping a chunk, in reuses a second; comparable between chunks of equal size. */
    double worth(int uses, long ageNanos) {
        return worth[cell(uses, ageNanos)];
    }

    /** Takes what was counted since into account. */
    void fit() {
        worth = fitted();
    }

    /** Forgets a part of what was counted. */
    void forget() {
        for (int i = 0; i < CLASSES * BINS; i++) {
            reused.addAndGet(i, -(reused.get(i) >> FORGET_SHIFT));
            forgotten.addAndGet(i, -(forgotten.get(i) >> FORGET_SHIFT));
        }
    }

    private double[] fitted() {
        double[] out = new double[CLASSES * BINS];
        for (int c = 0; c < CLASSES; c++) {
            double[] hazard = hazard(c);
            double later = 0;
            for (int bin = BINS - 1; bin >= 0; bin--) {
                later = Math.max(later, index(hazard, bin));
                double fewer = c == 0 ? 0 : out[(c - 1) * BINS + bin];
                out[c * BINS + bin] = Math.max(later, fewer);
            }
        }
        return out;
    }

    /** Reuses a second at each age: events over the time that chunks spent at that age. */
    private double[] hazard(int c) {
        double[] hazard = new double[BINS];
        double older = 0;
        for (int bin = BINS - 1; bin >= 0; bin--) {
            long events = reused.get(c * BINS + bin);
            long ended = events + forgotten.get(c * BINS + bin);
            double seconds = width(bin) * (older + ended / 2.0);
            hazard[bin] = (events + PRIOR_EVENTS) / (seconds + PRIOR_SECONDS);
            older += ended;
        }
        return hazard;
    }

    private static double index(double[] hazard, int first) {
        double best = 0;
        double alive = 1;
        double chance = 0;
        double occupied = 0;
        for (int bin = first; bin < BINS; bin++) {
            double use = -Math.expm1(-hazard[bin] * width(bin));
            occupied += alive * use / hazard[bin];
            chance += alive * use;
            alive *= 1 - use;
            best = Math.max(best, chance / occupied);
        }
        return (float) best; // so that equal chances are equal, whatever their last bits
    }

    private static int cell(int uses, long ageNanos) {
        double seconds = ageNanos / SECOND;
        int bin = seconds < 1 ? 0 : 1 + (int) (2 * Math.log(seconds) / Math.log(2));
        return Math.min(uses, USES_MAX) * BINS + Math.min(bin, BINS - 1);
    }

    /** Seconds that a bin spans. */
    private static double width(int bin) {
        return bin == 0 ? 1 : Math.pow(2, bin / 2.0) - Math.pow(2, (bin - 1) / 2.0);
    }
}
