package io.kvtier.codec.plan;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.List;

/**
 * What it costs to compute KV instead of fetching it: the speed of prefill by context length, told
 * by the worker. Unknown when there are no rates: then nothing is weighed against computing.
 *
 * @param rates by ascending context, the first from 0 on; each counts until the next
 * @param suffixTokens of the request behind the chunks in question, computed in any case; where the
 *     last chunks are fetched and the first ones computed they come later and don't count
 */
public record Recompute(List<Rate> rates, int suffixTokens) {
    /** Not known. */
    public static final Recompute UNKNOWN = new Recompute(List.of(), 0);

    /**
     * The speed of prefill from a context length on.
     *
     * @param contextTokens tokens before the ones that are computed
     */
    public record Rate(int contextTokens, double tokensPerSecond) {
        /** Checks ranges. */
        public Rate {
            check(contextTokens >= 0, "contextTokens", contextTokens, "0 or more");
            check(
                    tokensPerSecond > 0 && Double.isFinite(tokensPerSecond),
                    "tokensPerSecond",
                    tokensPerSecond,
                    "finite and positive");
        }
    }

    /** Copies the rates and checks their order. */
    public Recompute {
        rates = List.copyOf(rates);
        check(suffixTokens >= 0, "suffixTokens", suffixTokens, "0 or more");
        for (int i = 0; i < rates.size(); i++) {
            int least = i == 0 ? 0 : rates.get(i - 1).contextTokens() + 1;
            int most = i == 0 ? 0 : Integer.MAX_VALUE;
            int from = rates.get(i).contextTokens();
            check(from >= least && from <= most, "contextTokens " + i, from, "0, then ascending");
        }
    }

    /** One speed at every context length. */
    public static Recompute at(double tokensPerSecond) {
        return new Recompute(List.of(new Rate(0, tokensPerSecond)), 0);
    }

    /** The same with tokens to compute behind the chunks. */
    public Recompute withSuffixTokens(int tokens) {
        return new Recompute(rates, tokens);
    }

    /** Whether there is a speed. */
    public boolean isKnown() {
        return !rates.isEmpty();
    }

    /** Time to compute the tokens from a position to another, 0 when unknown. */
    public long nanos(long from, long to) {
        double nanos = 0;
        for (int i = 0; i < rates.size(); i++) {
            long end = i + 1 < rates.size() ? rates.get(i + 1).contextTokens() : Long.MAX_VALUE;
            long tokens = Math.min(to, end) - Math.max(from, rates.get(i).contextTokens());
            nanos += Math.max(0, tokens) / rates.get(i).tokensPerSecond() * 1e9;
        }
        return (long) Math.min(nanos, Link.FOREVER);
    }
}
