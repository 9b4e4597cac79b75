package io.kvtier.node;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.ClientTls;
import io.kvtier.client.KvtierClient;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Options of every command that talks to a node. */
final class NodeAddress {
    private static final Path NONE = Path.of("");

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

    @Option(
            names = "--tls-ca",
            paramLabel = "FILE",
            defaultValue = "${env:KVTIER_TLS_CA:-}",
            description = "PEM file of the authority that vouches for the node; turns TLS on.")
    private Path authorities = NONE;

    @Option(
            names = "--tls-cert",
            paramLabel = "FILE",
            defaultValue = "${env:KVTIER_TLS_CERT:-}",
            description = "PEM file of the client's own certificate.")
    private Path certificate = NONE;

    @Option(
            names = "--tls-key",
            paramLabel = "FILE",
            defaultValue = "${env:KVTIER_TLS_KEY:-}",
            description = "PEM file of its private key, PKCS #8.")
    private Path key = NONE;

    @Option(
            names = "--token-file",
            paramLabel = "FILE",
            defaultValue = "${env:KVTIER_TOKEN_FILE:-}",
            description = "File that holds the bearer token.")
    private Path tokenFile = NONE;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    KvtierClient connect() {
        return KvtierClient.connect(endpoints(), options());
    }

    List<String> endpoints() {
        return List.of(endpoint.split(",", -1));
    }

    /** The client's options: who it is, and how the wire is protected. */
    ClientOptions options() {
        ClientOptions options = ClientOptions.defaults();
        if (!tokenFile.equals(NONE)) {
            options = options.withToken(tokenFile);
        }
        if (!authorities.equals(NONE)) {
            return options.withTls(
                    new ClientTls(Optional.of(authorities), given(certificate), given(key)));
        }
        if (given(certificate).or(() -> given(key)).isPresent()) {
            throw new CommandException(
                    ExitCode.USAGE,
                    "--tls-cert or --tls-key is given without --tls-ca, which turns TLS on: the"
                            + " call would go out in plain text");
        }
        return options;
    }

    private static Optional<Path> given(Path file) {
        return Optional.of(file).filter(path -> !path.equals(NONE));
    }

    Duration deadline() {
        return deadline;
    }

    boolean json() {
        return json;
    }

    /** Reads {@code 500ms}, {@code 2s}, {@code 1min}. */
    static final class Time implements ITypeConverter<Duration> {
        private static final Pattern FORM = Pattern.compile("(\\d{1,9})(ms|s|min|h|d)");

        @Override
        public Duration convert(String text) {
            Matcher form = FORM.matcher(text);
            if (!form.matches()) {
                throw new TypeConversionException(
                        "'" + text + "' is not a time such as 500ms, 2s, 1min, 12h or 7d");
            }
            long count = Long.parseLong(form.group(1));
            return switch (form.group(2)) {
                case "ms" -> Duration.ofMillis(count);
                case "s" -> Duration.ofSeconds(count);
                case "min" -> Duration.ofMinutes(count);
                case "h" -> Duration.ofHours(count);
                default -> Duration.ofDays(count);
            };
        }
    }
}
