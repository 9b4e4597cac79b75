package io.kvtier.integration;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/** A cache node in a process of its own, on a free port of the loopback address. */
final class NodeProcess implements AutoCloseable {
    private static final String READY = "kvtier node ready on ";

    private final Process process;
    private final String endpoint;

    private NodeProcess(Process process, String endpoint) {
        this.process = process;
        this.endpoint = endpoint;
    }

    /** Starts a node over the folder and waits until it serves. */
    static NodeProcess start(Path data) throws IOException {
        Path config = Files.createDirectories(data).resolve("node.yaml");
        String yaml =
                "listen:\n  host: 127.0.0.1\n  port: 0\nstorage:\n  directory: "
                        + data.resolve("store")
                        + "\n";
        Files.writeString(config, yaml);
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        String classPath = Objects.requireNonNull(System.getProperty("java.class.path"));
        List<String> command =
                List.of(
                        java,
                        "@" + ProjectRoot.find().resolve("jvm.flags"),
                        "-Xmx256m",
                        "-cp",
                        classPath,
                        "io.kvtier.node.Main",
                        "node",
                        "--config",
                        config.toString());
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(process.getInputStream(), UTF_8));
        StringBuilder said = new StringBuilder();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            said.append(line).append('\n');
            if (line.startsWith(READY)) {
                drain(lines);
                return new NodeProcess(process, line.substring(READY.length()).strip());
            }
        }
        throw new IllegalStateException("the node ended before it was ready:\n" + said);
    }

    /** Where clients connect. */
    String endpoint() {
        return endpoint;
    }

    /** SIGKILL: nothing is flushed, nothing is said. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** SIGTERM, and whether the process was gone in time. */
    boolean stop(Duration patience) throws InterruptedException {
        process.destroy();
        return process.waitFor(patience.toNanos(), TimeUnit.NANOSECONDS);
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    /** A full pipe would stop the node. */
    private static void drain(BufferedReader lines) {
        Thread.ofVirtual().start(() -> readToEnd(lines));
    }

    private static void readToEnd(BufferedReader lines) {
        try {
            long _ = lines.lines().count();
        } catch (UncheckedIOException e) {
            // the stream of a killed process is closed under its reader
        }
    }
}
