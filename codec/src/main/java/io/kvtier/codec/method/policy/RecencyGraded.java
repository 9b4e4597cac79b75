package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scores;

/**
 * Gives near tokens more bits than far ones, whatever their scores: {@code bits = clamp(b0 −
 * slope·log2(1 + age/unit), least, b0)}, rounded down, with the largest b0 that meets the budget.
 * The survey's idea of recency. Sinks have b0.
 *
 * @param slope bits that a doubling of the age costs
 * @param unit tokens after which the fall begins
 * @param least bits of the oldest
 * @param sinks first tokens of the sequence
 * @param behind tokens of the sequence that follow the chunk: its age
 */
public record RecencyGraded(double slope, int unit, int least, int sinks, int behind)
        implements Allocator {
    /** Steps of b0 to a bit. */
    private static final int STEPS = 16;

    /** Checks the ranges. */
    public RecencyGraded {
        check(slope >= 0, "slope", slope, "0 or more");
        check(unit >= 1, "unit of age", unit, "at least 1");
        check(least >= 1 && least <= RateMap.RAW, "least bits", least, "1..16");
        check(sinks >= 0, "sinks", sinks, "0 or more");
        check(behind >= 0, "tokens behind", behind, "0 or more");
    }

    @Override
    public String name() {
        return "recency-graded by " + slope + " bits from " + unit + " on";
    }

    @Override
    public RateMap allocate(DenseKv kv, Scores scores, RateMap from, long bytes) {
        int steps =
                Selection.largest(
                        (RateMap.RAW - least) * STEPS,
                        bytes,
                        n -> graded(kv, from, best(n)).bytes(kv.geometry()) <= bytes);
        return graded(kv, from, best(steps));
    }

    private double best(int steps) {
        return least + (double) steps / STEPS;
    }

    private RateMap graded(DenseKv kv, RateMap from, double best) {
        RateMap out = from.copy();
        for (Kind kind : Kind.values()) {
            for (byte[] layer : out.plane(kind)) {
                for (int i = 0; i < layer.length; i++) {
                    int token = i % from.tokens();
                    int most = bits(kv.firstPosition() + token, from.tokens() - 1 - token, best);
                    layer[i] = (byte) Math.min(layer[i], most);
                }
            }
        }
        return out;
    }

    private int bits(int position, int tokensAfter, double best) {
        if (position < sinks) {
            return (int) best;
        }
        double age = (double) behind + tokensAfter;
        double doublings = StrictMath.log1p(age / unit) / StrictMath.log(2);
        return (int) Math.max(least, best - slope * doublings);
    }
}
