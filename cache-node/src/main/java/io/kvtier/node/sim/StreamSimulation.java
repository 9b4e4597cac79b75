package io.kvtier.node.sim;

import java.util.ArrayList;
import java.util.List;

/**
 * Every policy on every request.
 *
 * @param scores request by request, the policies in the order of {@link StreamPolicy#all}
 * @param tight for each request, whether the link cannot carry everything in time
 */
public record StreamSimulation(List<PolicyScore> scores, List<Boolean> tight) {
    /** Copies the lists. */
    public StreamSimulation {
        scores = List.copyOf(scores);
        tight = List.copyOf(tight);
    }

    /** Runs all policies. */
    public static StreamSimulation of(List<StreamCase> requests) {
        List<PolicyScore> scores = new ArrayList<>();
        List<Boolean> tight = new ArrayList<>();
        for (StreamCase request : requests) {
            StreamPolicy.all().forEach(policy -> scores.add(policy.run(request)));
            double carried =
                    request.trace().bytesBetween(request.roundTripNanos(), request.deadlineNanos());
            tight.add(request.bytes() > carried);
        }
        return new StreamSimulation(scores, tight);
    }

    /** Requests that seeds decide, {@code from} to {@code to}, both included. */
    public static List<StreamCase> seeded(long from, long to) {
        List<StreamCase> out = new ArrayList<>();
        for (long seed = from; seed <= to; seed++) {
            out.add(RandomCase.of(seed));
        }
        return out;
    }

    /** Each policy's summary. */
    public List<PolicySummary> summaries() {
        return PolicySummary.of(scores, tight);
    }
}
