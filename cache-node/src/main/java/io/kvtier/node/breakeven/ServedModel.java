package io.kvtier.node.breakeven;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.List;
import java.util.Map;

/**
 * A model on a machine.
 *
 * @param where what computes it
 * @param elementsPerToken of K and V that a reader needs of each token
 * @param tokens of the prompt
 * @param prefillTokensPerSecond stated
 * @param cores that decode what is fetched
 * @param bits measured on this model, by format; of others SmolLM2's hold
 */
public record ServedModel(
        String name,
        String where,
        double elementsPerToken,
        int tokens,
        double prefillTokensPerSecond,
        int cores,
        Map<String, Double> bits) {
    /* Prefill: SmolLM2 by vLLM on one core, 1,500 tokens in 7.5 s; Gemma 3 270M has as many weights
     * outside its embeddings, so the same. Llama-3-8B: 16 GFLOP a token at half of what the data
     * sheets say of dense 16-bit arithmetic: 121 (L4), 312 (A100) and 989 TFLOP/s (H100).
     */
    private static final double CPU_PREFILL = 200;

    /** Copies the map and checks ranges. */
    public ServedModel {
        bits = Map.copyOf(bits);
        check(elementsPerToken > 0, "elements", elementsPerToken, "more than 0");
        check(prefillTokensPerSecond > 0, "prefill", prefillTokensPerSecond, "more than 0");
        check(tokens >= 1 && cores >= 1, "tokens, cores", tokens + ", " + cores, "1 or more");
    }

    /** Those of the picture. */
    public static List<ServedModel> all() {
        return List.of(
                new ServedModel("SmolLM2-135M", "one core", 11_520, 1024, CPU_PREFILL, 1, Map.of()),
                // 18 layers, one head of 256; a window hides 42 % of 1,024 tokens.
                new ServedModel(
                        "Gemma 3 270M",
                        "one core",
                        0.58 * 9216,
                        1024,
                        CPU_PREFILL,
                        1,
                        Map.of("kvtier", 0.779, "CacheGen", 3.69)),
                llama("L4", 121),
                llama("A100", 312),
                llama("H100", 989));
    }

    private static ServedModel llama(String gpu, double teraflops) {
        double prefill = Math.rint(0.5 * teraflops * 1e12 / 16e9);
        return new ServedModel("Llama-3-8B", gpu, 65_536, 8192, prefill, 16, Map.of());
    }

    WireFormat of(WireFormat format) {
        Double own = bits.get(format.name());
        return own == null ? format : format.withBits(own);
    }
}
