package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * What prefill costs when tokens are left out before it, during it, or after it: the survey's
 * question whether to compute only key KV or all and filter. Floating-point operations: 2 for each
 * parameter and token, 4·width for each layer and pair of a query and a key that it sees.
 *
 * @param parameters of the model without embeddings
 * @param layers of the model
 * @param width of its attention: query heads times head dim
 */
public record PrefillCost(long parameters, int layers, int width) {
    /** Where tokens are left out. */
    public enum Place {
        PROMPT,
        PREFILL,
        AFTER
    }

    /**
     * A way to come to a filtered cache.
     *
     * @param tokens that each layer computes
     * @param loss that it was measured to have
     */
    public record Way(Place place, List<Integer> tokens, double loss) {
        /** Copies the counts. */
        public Way {
            tokens = List.copyOf(tokens);
        }
    }

    /** Operations when each layer computes so many tokens. */
    public double operations(List<Integer> tokens) {
        check(tokens.size() == layers, "layers of token counts", tokens.size(), layers);
        double out = 0;
        for (int count : tokens) {
            double pairs = count * (count + 1.0) / 2;
            out += 2.0 * parameters / layers * count + 4.0 * width * pairs;
        }
        return out;
    }

    /** The cheapest way that loses at most {@code loss}; empty if none does. */
    public Optional<Way> choose(List<Way> ways, double loss) {
        return ways.stream()
                .filter(way -> way.loss() <= loss)
                .min(Comparator.comparingDouble(way -> operations(way.tokens())));
    }
}
