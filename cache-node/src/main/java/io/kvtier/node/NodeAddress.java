package io.kvtier.node;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.KvtierClient;
import java.time.Duration;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Options of every command that talks to a node. */
final class NodeAddress {
    @Option(
            names = "--node",
            paramLabel = "HOST:PORT[,...]",
            defaultValue = "127.0.0.1:7420",
            description = "The node to talk to, or some of a cluster (default ${DEFAULT-VALUE}).")
    private String endpoint = "127.0.0.1:7420";

    @Option(
            names = "--deadline",
            paramLabel = "TIME",
            defaultValue = "30s",
            converter = Time.class,
            description = "Time for the whole of it: 500ms, 2s, 1min (default ${DEFAULT-VALUE}).")
    private Duration deadline = Duration.ofSeconds(30);

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    KvtierClient connect() {
        return KvtierClient.connect(endpoints(), ClientOptions.defaults());
    }

    List<String> endpoints() {
        return List.of(endpoint.split(",", -1));
    }

    Duration deadline() {
        return deadline;
    }

    boolean json() {
        return json;
    }

    /** Reads {@code 500ms}, {@code 2s}, {@code 1min}. */
    static final class Time implements ITypeConverter<Duration> {
        private static final Pattern FORM = Pattern.compile("(\\d{1,9})(ms|s|min)");

        @Override
        public Duration convert(String text) {
            Matcher form = FORM.matcher(text);
            if (!form.matches()) {
                throw new TypeConversionException(
                        "'" + text + "' is not a time such as 500ms, 2s or 1min");
            }
            long count = Long.parseLong(form.group(1));
            return switch (form.group(2)) {
                case "ms" -> Duration.ofMillis(count);
                case "s" -> Duration.ofSeconds(count);
                default -> Duration.ofMinutes(count);
            };
        }
    }
}
