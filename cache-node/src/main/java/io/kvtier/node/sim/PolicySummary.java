package io.kvtier.node.sim;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A policy over many requests, judged by the optimum. Requests that the optimum misses count
 * nowhere.
 *
 * @param streams requests that the optimum meets
 * @param metShare of them the share that the policy meets, too
 * @param medianRatio median of its distortion over the optimum's, among those that it meets
 * @param tightRatio the same among requests of which the optimum cannot send everything
 * @param bytesShare bytes received over the optimum's, summed
 */
public record PolicySummary(
        String policy,
        int streams,
        double metShare,
        double medianRatio,
        double tightRatio,
        double bytesShare) {
    private static final String OPTIMUM = "optimum";

    /** One for each policy, in the order in which they first appear. */
    public static List<PolicySummary> of(List<PolicyScore> scores, List<Boolean> tight) {
        List<String> policies = scores.stream().map(PolicyScore::policy).distinct().toList();
        Map<String, List<PolicyScore>> of = new HashMap<>();
        for (PolicyScore score : scores) {
            of.computeIfAbsent(score.policy(), _ -> new ArrayList<>()).add(score);
        }
        List<PolicyScore> best = of.getOrDefault(OPTIMUM, List.of());
        return policies.stream()
                .map(policy -> of(policy, of.getOrDefault(policy, List.of()), best, tight))
                .toList();
    }

    private static PolicySummary of(
            String policy, List<PolicyScore> own, List<PolicyScore> best, List<Boolean> tight) {
        int streams = 0;
        int met = 0;
        double bytes = 0;
        double bestBytes = 0;
        List<Double> ratios = new ArrayList<>();
        List<Double> tightRatios = new ArrayList<>();
        for (int i = 0; i < best.size(); i++) {
            if (!best.get(i).met()) {
                continue;
            }
            streams++;
            bytes += own.get(i).bytes();
            bestBytes += best.get(i).bytes();
            if (own.get(i).met()) {
                met++;
                double ratio = own.get(i).distortion() / best.get(i).distortion();
                ratios.add(ratio);
                if (tight.get(i)) {
                    tightRatios.add(ratio);
                }
            }
        }
        return new PolicySummary(
                policy,
                streams,
                (double) met / streams,
                median(ratios),
                median(tightRatios),
                bytes / bestBytes);
    }

    private static double median(List<Double> values) {
        double[] sorted = values.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        int half = sorted.length / 2;
        return sorted.length == 0
                ? Double.NaN
                : sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }

    /** For people. */
    public static String table(List<PolicySummary> summaries) {
        StringBuilder out = new StringBuilder();
        out.append(
                String.format(
                        "%-16s %8s %9s %12s %12s %7s%n",
                        "policy", "streams", "met", "distortion", "where tight", "bytes"));
        for (PolicySummary each : summaries) {
            out.append(
                    String.format(
                            Locale.ROOT,
                            "%-16s %8d %7.2f %% %10.3f x %10.3f x %7.3f%n",
                            each.policy,
                            each.streams,
                            100 * each.metShare,
                            each.medianRatio,
                            each.tightRatio,
                            each.bytesShare));
        }
        return out
                + "Met: of the streams that the optimum meets. Distortion: median over the"
                + " optimum's, of streams met;\nwhere tight: of those of which the optimum cannot"
                + " send everything. Bytes: received, over the optimum's.";
    }
}
