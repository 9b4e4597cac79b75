package io.kvtier.codec.method.policy;

import io.kvtier.codec.method.Policy;
import io.kvtier.codec.method.Scorer;
import java.util.ArrayList;
import java.util.List;

/**
 * The token policies that are compared, with the parameters of their papers unless said. Attention
 * without its hint falls back to {@link Recency}, which with sinks is StreamingLLM; expected
 * attention too.
 */
public final class Policies {
    private static final Scorer SUM = new AttentionSum(false);
    private static final Scorer RECENCY = new Recency();
    private static final TopTokens TOP = new TopTokens();

    private Policies() {}

    /** Every policy on tokens; {@code window} as in {@link #dropping}. */
    public static List<Policy> all(int window) {
        List<Policy> out = new ArrayList<>(dropping(window));
        out.add(topValues());
        out.addAll(grading());
        out.add(entitiesForAllHeads());
        return List.copyOf(out);
    }

    /**
     * Those that keep some tokens and drop the others.
     *
     * @param window queries that the hint on the attention window is the mean of
     */
    public static List<Policy> dropping(int window) {
        Scorer expected = new ExpectedAttention(512, 4);
        SinksAndRecent sinks = new SinksAndRecent(4, 1, TOP);
        // 256 sinks and 1 % of recent tokens are for contexts of 25,000
        SinksAndRecent drawn = new SinksAndRecent(4, 0.05, new Randomized(0.35, 1, TOP));
        return List.of(
                Policy.alone("StreamingLLM", "2309.17453", RECENCY, sinks),
                heavyHitters(),
                new Policy(
                        "VATP",
                        "2406.12335",
                        new ValueAware(SUM),
                        RECENCY,
                        new SinksAndRecent(20, 0.5, TOP)),
                Policy.alone("L2 norm", "2406.11430", new KeyNorm(), new TopTokens(2)),
                new Policy("NACL", "2408.03675", new ProxyWindow(0.01), RECENCY, drawn),
                new Policy(
                        "PyramidInfer",
                        "2405.12532",
                        new AttentionWindow(0, 1),
                        RECENCY,
                        new CosineLayers(4, 0.2, 16)),
                new Policy("SnapKV", "2404.14469", new AttentionWindow(window, 5), RECENCY, TOP),
                new Policy("Expected Attention", "2510.00636", expected, RECENCY, TOP),
                new Policy("AdaKV", "2407.11550", expected, RECENCY, new HeadAdaptive(0.2)),
                new Policy(
                        "entity floor",
                        "survey",
                        new EntityFloor(SUM),
                        RECENCY,
                        new SinksAndRecent(4, 0.25, TOP)));
    }

    /** H2O: half of the budget for what attention dwelt on, half for the last tokens. */
    public static Policy heavyHitters() {
        return new Policy("H2O", "2306.14048", SUM, RECENCY, new SinksAndRecent(0, 0.5, TOP));
    }

    /** FlexGen's sparse attention, decided when the chunk is written. */
    public static Policy topValues() {
        return new Policy("FlexGen top values", "2303.06865", SUM, RECENCY, new TopValue());
    }

    /** Entities first, and the same tokens in all heads and layers, as shared transforms need. */
    public static Policy entitiesForAllHeads() {
        return new Policy(
                "entity floor for all heads",
                "survey",
                new EntityFloor(new AllHeads(SUM)),
                RECENCY,
                new SinksAndRecent(4, 0.25, TOP));
    }

    /** Those that lower the rates of tokens without dropping any. */
    public static List<Policy> grading() {
        // Below 3 bits a row between its extremes breaks attention, however little its token
        // weighs.
        List<Integer> rates = List.of(3, 4, 5, 6, 8, 16);
        return List.of(
                new Policy("LLMS", "2403.11805", SUM, RECENCY, new SliceDensity(16)),
                Policy.alone(
                        "recency-graded", "survey", RECENCY, new RecencyGraded(1, 64, 1, 4, 0)),
                new Policy("rate optimizer", "survey", SUM, RECENCY, new RateOptimizer(16, rates)));
    }
}
