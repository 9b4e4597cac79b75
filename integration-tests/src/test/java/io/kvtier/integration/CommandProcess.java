package io.kvtier.integration;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The command line in processes of their own, on the class path of this test. */
final class CommandProcess implements AutoCloseable {
    private static final String READY = "kvtier node ready on ";
    private static final int SECONDS_MAX = 240;

    private final Process process;
    private final String endpoint;

    private CommandProcess(Process process, String endpoint) {
        this.process = process;
        this.endpoint = endpoint;
    }

    /** What a command left behind. */
    record Result(int exitCode, String output) {}

    /** Starts a node on a free port and waits for its line. */
    static CommandProcess start(Path folder) throws IOException {
        return start(folder, "blob");
    }

    /** The same with a layout of the cold tier. */
    static CommandProcess start(Path folder, String layout) throws IOException {
        return start(folder, layout, List.of());
    }

    /** The same behind words of another command, which run it somewhere else. */
    static CommandProcess start(Path folder, String layout, List<String> before)
            throws IOException {
        String text = config(folder, 0).replace("{directory", "{layout: " + layout + ", directory");
        return launch(folder, text, before, Map.of());
    }

    /** The same with more sections of the configuration. */
    static CommandProcess startWith(Path folder, String sections) throws IOException {
        return startWith(folder, sections, Map.of());
    }

    /** Starts a node with a whole configuration. */
    static CommandProcess startAs(Path folder, String text) throws IOException {
        return launch(folder, text, List.of(), Map.of());
    }

    /** The same behind words of another command. */
    static CommandProcess startWith(Path folder, String sections, List<String> before)
            throws IOException {
        return launch(folder, config(folder, 0) + sections, before, Map.of());
    }

    /** The same with more variables of its environment. */
    static CommandProcess startWith(Path folder, String sections, Map<String, String> environment)
            throws IOException {
        return launch(folder, config(folder, 0) + sections, List.of(), environment);
    }

    private static CommandProcess launch(
            Path folder, String text, List<String> before, Map<String, String> environment)
            throws IOException {
        Path config = Files.writeString(folder.resolve("node.yaml"), text);
        ProcessBuilder builder =
                java(before, "io.kvtier.node.Main", "node", "--config", config.toString());
        builder.environment().putAll(environment);
        Process process = builder.redirectError(folder.resolve("node.log").toFile()).start();
        BufferedReader out = process.inputReader();
        String line = out.readLine(); // ends at the latest when the process does
        if (line == null || !line.startsWith(READY)) {
            process.destroyForcibly();
            throw new IOException(
                    "node did not start: " + Files.readString(folder.resolve("node.log")));
        }
        return new CommandProcess(process, line.substring(READY.length()));
    }

    static String config(Path folder, int port) {
        return "listen: {port: "
                + port
                + "}\nstorage: {directory: "
                + folder.resolve("data")
                + ", hotBytes: 64MiB, coldBytes: 256MiB}\n";
    }

    /** Runs a command to its end. */
    static Result run(Path folder, String... args) throws IOException, InterruptedException {
        return runMain(folder, List.of(), "io.kvtier.node.Main", args);
    }

    /** Runs any main class to its end, behind words of another command. */
    static Result runMain(Path folder, List<String> before, String main, String... args)
            throws IOException, InterruptedException {
        Path output = Files.createTempFile(folder, "command", ".log");
        Process process =
                java(before, main, args)
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        if (!process.waitFor(SECONDS_MAX, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IOException(
                    "no end within " + SECONDS_MAX + " s: " + Files.readString(output));
        }
        return new Result(process.exitValue(), Files.readString(output));
    }

    String endpoint() {
        return endpoint;
    }

    long pid() {
        return process.pid();
    }

    /** SIGKILL. */
    void kill() throws InterruptedException {
        int _ = process.destroyForcibly().waitFor();
    }

    /** SIGTERM; whether the process ended within ten seconds. */
    boolean stop() throws InterruptedException {
        process.destroy();
        return process.waitFor(10, TimeUnit.SECONDS);
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    static ProcessBuilder command(String... args) {
        return java(List.of(), "io.kvtier.node.Main", args);
    }

    /** Deletes a folder and all that is in it. */
    static void delete(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(each);
            }
        }
    }

    static ProcessBuilder command(List<String> before, String... args) {
        return java(before, "io.kvtier.node.Main", args);
    }

    private static ProcessBuilder java(List<String> before, String main, String... args) {
        List<String> line = new ArrayList<>(before);
        line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        line.add("@" + ProjectRoot.find().resolve("jvm.flags"));
        line.add("-Dkvtier.home=" + ProjectRoot.find());
        line.add("-cp");
        line.add(System.getProperty("java.class.path"));
        line.add(main);
        line.addAll(List.of(args));
        return new ProcessBuilder(line);
    }
}
