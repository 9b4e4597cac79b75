package io.kvtier.node.admin;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import io.kvtier.codec.error.AccessDeniedException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.flight.Authenticator;
import io.kvtier.flight.Role;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.instrumentation.jvm.JvmMetrics;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A node's HTTP listener for those who operate it: a page at {@code /}, {@code /metrics}, {@code
 * /healthz}, {@code /readyz}, {@code /stats.json}. It only reads.
 *
 * <p>Whether a node is alive and ready anybody may ask; all else needs a token of role admin where
 * calls need tokens. Where they do not, only requests to an address are answered, not to a name
 * other than localhost: a page of the web could bring its own name to mean this address.
 *
 * <p>Ownership: {@link #close} stops it. Thread-safety: all methods.
 */
public final class AdminServer implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(AdminServer.class);
    private static final String JSON = "application/json";
    private static final String HTML = "text/html; charset=utf-8";
    private static final String TEXT = "text/plain; charset=utf-8";
    private static final int REQUESTS_MAX = 16;
    private static final int BACKLOG = 64;

    /** Numbers come by stats.json, so the page itself is anybody's. */
    private static final byte[] PAGE = page();

    private static final String PAGE_MAY =
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
                    + " connect-src 'self'; img-src data:; frame-ancestors 'none'";

    private final AdminOptions options;
    private final Authenticator authenticator;
    private final Supplier<NodeReport> report;
    private final PrometheusRegistry registry = new PrometheusRegistry();
    private final Semaphore room = new Semaphore(REQUESTS_MAX);
    private final ExecutorService executor =
            Executors.newThreadPerTaskExecutor(
                    Thread.ofVirtual().name("kvtier-admin-", 0).factory());
    private final HttpServer server;

    /** What is answered; the bytes are nobody else's. */
    @SuppressWarnings("ArrayRecordComponent")
    private record Answer(int status, String type, byte[] body) {
        static Answer text(int status, String text) {
            return new Answer(status, TEXT, (text + "\n").getBytes(UTF_8));
        }
    }

    private AdminServer(
            AdminOptions options, Authenticator authenticator, Supplier<NodeReport> report)
            throws IOException {
        this.options = options;
        this.authenticator = authenticator;
        this.report = report;
        InetSocketAddress address = new InetSocketAddress(options.host(), options.port());
        if (options.ssl().isPresent()) {
            HttpsServer https = HttpsServer.create(address, BACKLOG);
            https.setHttpsConfigurator(new HttpsConfigurator(options.ssl().get()));
            server = https;
        } else {
            server = HttpServer.create(address, BACKLOG);
        }
        registry.register(new NodeMetrics(report));
        JvmMetrics.builder().register(registry);
        server.setExecutor(executor);
        var _ = server.createContext("/", this::handle);
    }

    /**
     * Starts to listen.
     *
     * @param report is asked for at each request that shows it
     * @throws UnavailableException if the address cannot be bound
     */
    public static AdminServer start(
            AdminOptions options, Authenticator authenticator, Supplier<NodeReport> report) {
        try {
            AdminServer admin = new AdminServer(options, authenticator, report);
            admin.server.start();
            return admin;
        } catch (IOException e) {
            throw new UnavailableException(
                    "cannot listen on admin.host "
                            + options.host()
                            + ", admin.port "
                            + options.port()
                            + ": is the port taken? "
                            + e.getMessage(),
                    e);
        }
    }

    /** Where it is: {@code http://host:port/}. */
    public String url() {
        String host = options.host().contains(":") ? "[" + options.host() + "]" : options.host();
        return (options.ssl().isPresent() ? "https://" : "http://")
                + host
                + ":"
                + server.getAddress().getPort()
                + "/";
    }

    @Override
    public void close() {
        server.stop(0);
        executor.shutdownNow();
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            send(exchange, answer(exchange));
        }
    }

    private Answer answer(HttpExchange exchange) {
        if (!room.tryAcquire()) {
            return Answer.text(503, REQUESTS_MAX + " requests are being answered, try again");
        }
        try {
            return answer(
                    exchange,
                    exchange.getRequestURI().getPath(),
                    Optional.ofNullable(exchange.getRequestHeaders().getFirst("Authorization")));
        } catch (IOException | RuntimeException e) {
            log.error("unforeseen failure of a request", e);
            return Answer.text(500, "the node failed in an unforeseen way: see its log");
        } finally {
            room.release();
        }
    }

    private Answer answer(HttpExchange exchange, String path, Optional<String> authorization)
            throws IOException {
        String method = exchange.getRequestMethod();
        if (!method.equals("GET") && !method.equals("HEAD")) {
            return Answer.text(405, "got " + method + ", expected GET");
        }
        if (!options.authenticated() && !isAddress(exchange.getRequestHeaders().getFirst("Host"))) {
            return Answer.text(421, "the Host header must be an address or localhost");
        }
        return switch (path) {
            case "/" -> new Answer(200, HTML, PAGE);
            case "/healthz" -> Answer.text(200, "ok");
            case "/readyz" -> ready(report.get(), refusal(authorization).isEmpty());
            default -> {
                Optional<Answer> refusal = refusal(authorization);
                yield refusal.isPresent() ? refusal.get() : page(path);
            }
        };
    }

    /** Why a node is not ready is for those who may see its numbers. */
    private static Answer ready(NodeReport node, boolean mayKnow) {
        if (node.ready()) {
            return Answer.text(200, "ok");
        }
        return Answer.text(503, "not ready" + (mayKnow ? ": " + node.whyNotReady() : ""));
    }

    private Answer page(String path) throws IOException {
        return switch (path) {
            case "/metrics" -> {
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                PrometheusTextFormatWriter.create().write(out, registry.scrape());
                yield new Answer(200, PrometheusTextFormatWriter.CONTENT_TYPE, out.toByteArray());
            }
            case "/stats.json" -> new Answer(200, JSON, report.get().toJson().getBytes(UTF_8));
            default -> Answer.text(404, "expected /, /metrics, /healthz, /readyz or /stats.json");
        };
    }

    /** The answer to who may not see counts of the whole node. */
    private Optional<Answer> refusal(Optional<String> authorization) {
        try {
            Role role = authenticator.authenticate(authorization.orElse("")).role();
            return role.allows(Role.ADMIN)
                    ? Optional.empty()
                    : Optional.of(
                            Answer.text(
                                    403,
                                    "the token's role is " + role.label() + ", expected admin"));
        } catch (AccessDeniedException e) {
            return Optional.of(Answer.text(401, String.valueOf(e.getMessage())));
        }
    }

    private static byte[] page() {
        try (InputStream in = AdminServer.class.getResourceAsStream("index.html")) {
            if (in == null) {
                throw new AssertionError("index.html is not in the jar");
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void send(HttpExchange exchange, Answer answer) throws IOException {
        var headers = exchange.getResponseHeaders();
        headers.set("Content-Type", answer.type());
        headers.set("Cache-Control", "no-store");
        headers.set("X-Content-Type-Options", "nosniff");
        headers.set("Content-Security-Policy", PAGE_MAY);
        if (answer.status() == 401) {
            headers.set("WWW-Authenticate", "Bearer");
        }
        boolean head = exchange.getRequestMethod().equals("HEAD");
        exchange.sendResponseHeaders(answer.status(), head ? -1 : answer.body().length);
        if (!head) {
            exchange.getResponseBody().write(answer.body());
        }
    }

    private static boolean isAddress(@org.jspecify.annotations.Nullable String header) {
        String host = header == null ? "" : header.replaceFirst(":\\d+$", "");
        return host.equals("localhost")
                || host.matches("[0-9.]+")
                || host.matches("\\[[0-9a-fA-F:.]+]");
    }
}
