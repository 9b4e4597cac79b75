package io.kvtier.codec.method.policy;

import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.Scorer;
import java.util.List;

/** The token policies that are compared, with the parameters of their papers unless said. */
public final class Policies {
    private Policies() {}

    /**
     * Every policy on tokens. Attention without its hint falls back to {@link Recency}, which with
     * sinks is StreamingLLM; expected attention too.
     *
     * @param window queries that the hint on the attention window is the mean of
     */
    public static List<Policy> all(int window) {
        Scorer sum = new AttentionSum(false);
        Scorer recency = new Recency();
        TopTokens top = new TopTokens();
        Allocator halves = new SinksAndRecent(0, 0.5, top);
        ExpectedAttention expected = new ExpectedAttention(512, 4);
        return List.of(
                Policy.alone("StreamingLLM", "2309.17453", recency, new SinksAndRecent(4, 1, top)),
                new Policy("H2O", "2306.14048", sum, recency, halves),
                new Policy(
                        "VATP",
                        "2406.12335",
                        new ValueAware(sum),
                        recency,
                        new SinksAndRecent(20, 0.5, top)),
                Policy.alone("L2 norm", "2406.11430", new KeyNorm(), new TopTokens(2)),
                new Policy(
                        "NACL",
                        "2408.03675",
                        new ProxyWindow(0.01),
                        recency,
                        // 256 sinks and 1 % of recent tokens are for contexts of 25,000
                        new SinksAndRecent(4, 0.05, new Randomized(0.35, 1, top))),
                new Policy(
                        "PyramidInfer",
                        "2405.12532",
                        new AttentionWindow(0, 1),
                        recency,
                        new CosineLayers(4, 0.2, 16)),
                new Policy("SnapKV", "2404.14469", new AttentionWindow(window, 5), recency, top),
                new Policy("Expected Attention", "2510.00636", expected, recency, top),
                new Policy("AdaKV", "2407.11550", expected, recency, new HeadAdaptive(0.2)),
                new Policy("FlexGen top values", "2303.06865", sum, recency, new TopValue()),
                new Policy(
                        "entity floor",
                        "survey",
                        new EntityFloor(sum),
                        recency,
                        new SinksAndRecent(4, 0.25, top)),
                new Policy("LLMS", "2403.11805", sum, recency, new SliceDensity(16)),
                Policy.alone(
                        "recency-graded", "survey", recency, new RecencyGraded(1, 64, 1, 4, 0)),
                new Policy(
                        "rate optimizer",
                        "survey",
                        sum,
                        recency,
                        new RateOptimizer(16, List.of(1, 2, 3, 4, 5, 6, 8, 16))));
    }
}
