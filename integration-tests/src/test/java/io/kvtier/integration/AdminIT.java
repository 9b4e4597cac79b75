package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The admin listener of a real node, and the files in {@code ops} that are made for it. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class AdminIT {
    private static final String SAMPLE =
            ProjectRoot.find().resolve("examples/sample/novel.safetensors").toString();
    private static final Pattern METRIC = Pattern.compile("\\b(kvtier|jvm|process)_[a-z0-9_]+");
    private static final Pattern SELECTOR =
            Pattern.compile("\\b((?:kvtier|jvm)_[a-z0-9_]+)\\{([^}]*)}");
    private static final Pattern LABEL = Pattern.compile("([a-z_]+)\\s*=");

    /** What Prometheus itself adds to every sample. */
    private static final List<String> ADDED_LABELS = List.of("instance", "job");

    private final HttpClient http = HttpClient.newHttpClient();

    @TempDir private Path folder;

    @Test
    void dashboardAndAlerts_nameOnlyMetricsAndLabelsOfARealScrape() throws Exception {
        String scrape;
        try (CommandProcess node = CommandProcess.start(folder, "log")) {
            assertThat(run(node, "put", SAMPLE).exitCode()).isZero();
            Path out = folder.resolve("out.safetensors");
            assertThat(run(node, "get", SAMPLE, "--out", out.toString()).exitCode()).isZero();
            scrape = get(admin(node) + "metrics").body();
            assertThat(scrape).doesNotContain("NaN");
        }
        List<String> expressions = expressions();
        TreeSet<String> named = new TreeSet<>();
        for (String expression : expressions) {
            Matcher metric = METRIC.matcher(expression);
            while (metric.find()) {
                named.add(metric.group());
            }
            Matcher selector = SELECTOR.matcher(expression);
            while (selector.find()) {
                requireLabels(scrape, selector.group(1), selector.group(2));
            }
        }
        assertThat(named).hasSizeGreaterThan(25);
        for (String name : named) {
            assertThat(Pattern.compile("(?m)^" + name + "[ {]").matcher(scrape).find())
                    .as("%s is in the scrape", name)
                    .isTrue();
        }
    }

    @Test
    void metrics_sayWhatWasPutAndSent_likeTheStats() throws Exception {
        try (CommandProcess node = CommandProcess.start(folder)) {
            assertThat(run(node, "match", SAMPLE).exitCode()).isEqualTo(1);
            assertThat(run(node, "put", SAMPLE).exitCode()).isZero();
            Path out = folder.resolve("out.safetensors");
            assertThat(run(node, "get", SAMPLE, "--out", out.toString()).exitCode()).isZero();
            String url = admin(node);
            String scrape = get(url + "metrics").body();
            JsonNode stats = new ObjectMapper().readTree(get(url + "stats.json").body());
            assertThat(sum(scrape, "kvtier_put_chunks_total", "result=\"stored\"")).isEqualTo(4);
            assertThat(sum(scrape, "kvtier_lookup_chunks_total", "result=\"held\""))
                    .isGreaterThanOrEqualTo(4);
            assertThat(sum(scrape, "kvtier_lookup_chunks_total", "result=\"not_held\"")).isOne();
            assertThat(sum(scrape, "kvtier_requests_total", "result=\"sent\"")).isPositive();
            JsonNode series = stats.at("/service/series");
            long sent = 0;
            for (JsonNode each : series) {
                for (JsonNode rung : each.path("sentBytes")) {
                    sent += rung.asLong();
                }
            }
            assertThat(sent).isPositive();
            assertThat(sum(scrape, "kvtier_sent_bytes_total", "")).isEqualTo((double) sent);
            assertThat(sum(scrape, "kvtier_tier_chunks", "tier=\"hot\"")).isEqualTo(4);
            assertThat(stats.path("ready").asBoolean()).isTrue();
        }
    }

    @Test
    void readyz_diskIsFull_failsLikeAPut_andRecovers() throws Exception {
        assumeTrue(System.getProperty("user.name").equals("root"), "mounts need root");
        Path data = Files.createDirectory(folder.resolve("data"));
        List<String> mounted =
                List.of(
                        "unshare",
                        "-m",
                        "sh",
                        "-c",
                        "mount -t tmpfs -o size=500m tmpfs " + data + " && exec \"$0\" \"$@\"");
        try (CommandProcess node = CommandProcess.startWith(folder, "", mounted)) {
            String url = admin(node);
            assertThat(get(url + "readyz").statusCode()).isEqualTo(200);
            Path fill = Path.of("/proc/" + node.pid() + "/root" + data + "/fill");
            long free = Files.getFileStore(fill.getParent()).getUsableSpace();
            Files.write(fill, new byte[Math.toIntExact(free - (32 << 20))]);
            awaitStatus(url + "readyz", 503);
            assertThat(get(url + "readyz").body()).contains("free");
            assertThat(run(node, "put", SAMPLE).exitCode()).as("a put").isEqualTo(3);
            assertThat(get(url + "healthz").statusCode()).isEqualTo(200);
            Files.delete(fill);
            awaitStatus(url + "readyz", 200);
            assertThat(run(node, "put", SAMPLE).exitCode()).as("a put").isZero();
        }
    }

    @Test
    void tokens_keepNumbersForAdmins_butNotHealth() throws Exception {
        Path admin = token("ops", "admin");
        Path writer = token("acme", "writer");
        Path secret = Files.writeString(folder.resolve("secret"), "0123456789abcdef".repeat(4));
        String security =
                "security: {tokens: " + folder.resolve("tokens") + ", secret: " + secret + "}\n";
        try (CommandProcess node = CommandProcess.startWith(folder, security)) {
            CommandProcess.Result stats =
                    run(node, "stats", "--json", "--token-file", admin.toString());
            String url = json(stats.output()).path("admin").asText();
            assertThat(get(url + "healthz").statusCode()).isEqualTo(200);
            assertThat(get(url + "readyz").statusCode()).isEqualTo(200);
            for (String path : List.of("metrics", "stats.json")) {
                assertThat(get(url + path).statusCode()).isEqualTo(401);
                assertThat(get(url + path, writer).statusCode()).isEqualTo(403);
                assertThat(get(url + path, admin).statusCode()).isEqualTo(200);
            }
        }
    }

    @Test
    void withoutTokens_aNameThatIsNoAddress_getsNothing() throws Exception {
        try (CommandProcess node = CommandProcess.start(folder)) {
            String url = admin(node);
            String port = url.replaceAll(".*:(\\d+)/", "$1");
            assertThat(ask(port, "GET /stats.json", "evil.example")).contains(" 421 ");
            assertThat(ask(port, "GET /stats.json", "localhost:" + port)).contains(" 200 ");
            assertThat(ask(port, "POST /stats.json", "localhost")).contains(" 405 ");
            assertThat(ask(port, "GET /nothing", "127.0.0.1")).contains(" 404 ");
        }
    }

    @Test
    void adminOnAnotherAddress_wantsTlsAndTokens() throws Exception {
        Path config =
                Files.writeString(
                        folder.resolve("open.yaml"),
                        CommandProcess.config(folder, 0) + "admin: {host: 0.0.0.0}\n");
        CommandProcess.Result node =
                CommandProcess.run(folder, "node", "--config", config.toString());
        assertThat(node.exitCode()).isEqualTo(2);
        assertThat(node.output()).contains("admin.host is 0.0.0.0");
    }

    /** The status line of an answer, with any Host header: HttpClient would not say it. */
    private static String ask(String port, String line, String host) throws Exception {
        try (var socket = new Socket(InetAddress.getLoopbackAddress(), Integer.parseInt(port))) {
            String request = line + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n";
            socket.getOutputStream()
                    .write(request.getBytes(java.nio.charset.StandardCharsets.US_ASCII));
            byte[] answer = socket.getInputStream().readNBytes(64);
            return new String(answer, java.nio.charset.StandardCharsets.US_ASCII)
                    .lines()
                    .findFirst()
                    .orElse("");
        }
    }

    private void awaitStatus(String url, int status) {
        Awaitility.await()
                .atMost(Duration.ofSeconds(60))
                .pollInterval(Duration.ofMillis(500))
                .untilAsserted(() -> assertThat(get(url).statusCode()).isEqualTo(status));
    }

    private static void requireLabels(String scrape, String metric, String selector) {
        Matcher label = LABEL.matcher(selector);
        while (label.find()) {
            String name = label.group(1);
            if (!ADDED_LABELS.contains(name)) {
                String sample = "(?m)^" + metric + "\\{[^}]*\\b" + name + "=";
                assertThat(Pattern.compile(sample).matcher(scrape).find())
                        .as("%s has label %s", metric, name)
                        .isTrue();
            }
        }
    }

    private static List<String> expressions() throws Exception {
        Path ops = ProjectRoot.find().resolve("ops");
        JsonNode dashboard = json(Files.readString(ops.resolve("grafana/kvtier.json")));
        List<String> out = new java.util.ArrayList<>();
        for (JsonNode expression : dashboard.findValues("expr")) {
            out.add(expression.asText());
        }
        for (JsonNode query : dashboard.at("/templating").findValues("query")) {
            out.add(query.asText());
        }
        out.add(Files.readString(ops.resolve("prometheus/alerts.yaml")));
        return out;
    }

    private static double sum(String scrape, String metric, String label) {
        return scrape.lines()
                .filter(line -> line.startsWith(metric + "{") && line.contains(label))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                .sum();
    }

    private String admin(CommandProcess node) throws Exception {
        return json(run(node, "stats", "--json").output()).path("admin").asText();
    }

    private static JsonNode json(String output) throws Exception {
        return new ObjectMapper().readTree(output.substring(output.indexOf('{')));
    }

    private HttpResponse<String> get(String url) throws Exception {
        return http.send(
                HttpRequest.newBuilder(URI.create(url)).build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private HttpResponse<String> get(String url, Path token) throws Exception {
        HttpRequest request =
                HttpRequest.newBuilder(URI.create(url))
                        .header("Authorization", "Bearer " + Files.readString(token).strip())
                        .build();
        return http.send(request, HttpResponse.BodyHandlers.ofString());
    }

    private Path token(String tenant, String role) throws Exception {
        Path file = folder.resolve(tenant + ".token");
        CommandProcess.Result made =
                CommandProcess.run(
                        folder,
                        "token",
                        "--tenant",
                        tenant,
                        "--role",
                        role,
                        "--out",
                        file.toString());
        Files.writeString(
                folder.resolve("tokens"),
                made.output().lines().toList().getLast() + "\n",
                java.nio.file.StandardOpenOption.CREATE,
                java.nio.file.StandardOpenOption.APPEND);
        return file;
    }

    private CommandProcess.Result run(CommandProcess node, String... args) throws Exception {
        String[] line = java.util.Arrays.copyOf(args, args.length + 2);
        line[args.length] = "--node";
        line[args.length + 1] = node.endpoint();
        return CommandProcess.run(folder, line);
    }
}
