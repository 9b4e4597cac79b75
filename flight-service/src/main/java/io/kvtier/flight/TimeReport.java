package io.kvtier.flight;

import java.util.List;

/**
 * How often something took how long.
 *
 * @param stepSeconds upper bounds, ascending
 * @param counts up to each bound and above the one before it; one more for what is above the last
 * @param sumSeconds of all times
 */
public record TimeReport(List<Double> stepSeconds, List<Long> counts, double sumSeconds) {
    /** Copies the lists. */
    public TimeReport {
        stepSeconds = List.copyOf(stepSeconds);
        counts = List.copyOf(counts);
    }
}
