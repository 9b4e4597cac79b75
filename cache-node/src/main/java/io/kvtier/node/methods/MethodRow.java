package io.kvtier.node.methods;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.JsonNode;
import io.kvtier.codec.method.Method;
import io.kvtier.codec.method.Stage;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A method in the grid. Losses are those of kvlab, null where nothing was judged.
 *
 * @param paper arXiv number, survey or none
 * @param kind tier, codec, policy, or policy and codec
 * @param policy what says where bits go, or null
 * @param stages in the order of encoding
 * @param bitsPerElement of real containers, everything counted, of the elements of the whole cache
 * @param kl mean KL(exact || decoded) of the next tokens, nats
 * @param top1 agreement of the most likely token, percent
 * @param dppl relative change of perplexity, percent
 * @param facts share of answer tokens recalled after decoding, all facts
 * @param digits of the facts that are numbers
 * @param words of those that are words
 * @param exactFacts share recalled with the exact cache
 * @param encodeMs wall time of 256 tokens, mean
 * @param fallbacks scorers that stood in for want of a hint
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record MethodRow(
        String method,
        String paper,
        String kind,
        @Nullable String policy,
        List<String> stages,
        double bitsPerElement,
        @Nullable Double kl,
        @Nullable Double top1,
        @Nullable Double dppl,
        @Nullable Double facts,
        @Nullable Double digits,
        @Nullable Double words,
        @Nullable Double exactFacts,
        double encodeMs,
        double decodeMs,
        List<String> fallbacks) {
    static final String TIER = "tier";
    static final String CODEC = "codec";
    static final String POLICY = "policy";
    private static final String BOTH = "policy and codec";

    /** Takes copies of the lists. */
    public MethodRow {
        stages = List.copyOf(stages);
        fallbacks = List.copyOf(fallbacks);
    }

    /** What a method costs and, if it was judged, loses. */
    public static MethodRow of(Method method, MethodCoding.Cost cost, Optional<JsonNode> loss) {
        return of(
                method.name(),
                method.paper(),
                kind(method),
                method.policy().map(rates -> rates.policy().name()),
                method.stages().stream().map(Stage::name).toList(),
                cost,
                loss);
    }

    /** The same of a level of the tier's own codec. */
    public static MethodRow ofTier(String name, MethodCoding.Cost cost, Optional<JsonNode> loss) {
        return of(name, "docs/codec.md", TIER, Optional.empty(), List.of(), cost, loss);
    }

    private static MethodRow of(
            String name,
            String paper,
            String kind,
            Optional<String> policy,
            List<String> stages,
            MethodCoding.Cost cost,
            Optional<JsonNode> loss) {
        return new MethodRow(
                name,
                paper,
                kind,
                policy.orElse(null),
                stages,
                cost.bitsPerElement(),
                number(loss, "kl"),
                number(loss, "top1"),
                number(loss, "dppl"),
                number(loss, "facts"),
                number(loss, "digits"),
                number(loss, "words"),
                number(loss.map(row -> row.path("exact")), "facts"),
                cost.encodeMs(),
                cost.decodeMs(),
                cost.fallbacks());
    }

    private static String kind(Method method) {
        if (method.policy().isEmpty()) {
            return CODEC;
        }
        return method.stages().size() > 2 ? BOTH : POLICY;
    }

    private static @Nullable Double number(Optional<JsonNode> row, String field) {
        return row.map(node -> node.path(field))
                .filter(JsonNode::isNumber)
                .map(JsonNode::asDouble)
                .orElse(null);
    }

    /** A table for people. */
    public static String table(List<MethodRow> rows) {
        StringBuilder text = new StringBuilder(HEAD);
        for (MethodRow row : rows) {
            text.append(
                    String.format(
                            Locale.ROOT,
                            "%n%-26s %9.3f %8s %7s %8s %6s %10.1f %10.1f",
                            row.method,
                            row.bitsPerElement,
                            text(row.kl, "%.4f"),
                            text(row.top1, "%.1f"),
                            text(row.dppl, "%+.1f"),
                            text(row.facts, "%.3f"),
                            row.encodeMs,
                            row.decodeMs));
        }
        return text.toString();
    }

    private static final String HEAD =
            String.format(
                    "%-26s %9s %8s %7s %8s %6s %10s %10s",
                    "method",
                    "bits/elem",
                    "KL",
                    "top-1 %",
                    "dPPL %",
                    "facts",
                    "encode ms",
                    "decode ms");

    private static String text(@Nullable Double value, String format) {
        return value == null ? "" : String.format(Locale.ROOT, format, value);
    }
}
