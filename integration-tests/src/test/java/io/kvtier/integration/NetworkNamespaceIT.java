package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Node and reader in a network namespace of this test's own, whose loopback the kernel shapes: what
 * comes is byte for byte what was put, all of it or a prefix with its reason. Runs only where a
 * namespace can be made, which takes root.
 */
class NetworkNamespaceIT {
    private static final int CHUNKS = 40;
    private static final Pattern CAME = Pattern.compile("came (\\d+) (\\d+) ([A-Z_]+) (\\d+)");

    private final String name = "kvtier-" + ProcessHandle.current().pid();

    @TempDir Path folder;

    @BeforeEach
    void makeNamespace() throws Exception {
        String made = run("ip", "netns", "add", name);
        Assumptions.assumeTrue(made.isEmpty(), () -> "no network namespace: " + made);
        String up = inside("ip", "link", "set", "lo", "mtu", "1500", "up");
        String shaped = shape("add", 1000);
        boolean can = up.isEmpty() && shaped.isEmpty();
        Assumptions.assumeTrue(can, () -> "no tbf on loopback: " + up + shaped);
    }

    @AfterEach
    void removeNamespace() throws Exception {
        String _ = run("ip", "netns", "delete", name);
    }

    @Test
    void open_shapedByTheKernel_isAllOrAPrefixWithItsReason() throws Exception {
        try (CommandProcess node = CommandProcess.start(folder, "log", before())) {
            for (int mbit : List.of(20, 100, 1000)) {
                assertThat(shape("change", mbit)).isEmpty();
                Matcher ample = read(node, 60_000);
                assertThat(ample.group(1)).as("%d Mbit/s", mbit).isEqualTo("" + CHUNKS);
                assertThat(ample.group(3)).isEqualTo("NONE");
                Matcher little = read(node, 250);
                if (!little.group(1).equals(little.group(2))) {
                    assertThat(little.group(3)).isIn("DEADLINE", "LINK");
                }
            }
        }
    }

    private Matcher read(CommandProcess node, int deadlineMs) throws Exception {
        CommandProcess.Result result =
                CommandProcess.runMain(
                        folder,
                        before(),
                        LinkReader.class.getName(),
                        node.endpoint(),
                        "" + CHUNKS,
                        "" + deadlineMs);
        assertThat(result.exitCode()).as(result.output()).isZero();
        Matcher came = CAME.matcher(result.output());
        assertThat(came.find()).as(result.output()).isTrue();
        assertThat(came.group(2)).isEqualTo("" + CHUNKS);
        return came;
    }

    private List<String> before() {
        return List.of("ip", "netns", "exec", name);
    }

    private String shape(String verb, int mbit) throws Exception {
        String rate = String.format(Locale.ROOT, "%dmbit", mbit);
        return inside(
                "tc", "qdisc", verb, "dev", "lo", "root", "tbf", "rate", rate, "burst", "64kb",
                "limit", "256kb");
    }

    private String inside(String... command) throws Exception {
        List<String> line = new ArrayList<>(before());
        line.addAll(List.of(command));
        return run(line.toArray(String[]::new));
    }

    /** Runs a command; what it says when it fails, empty when it does not. */
    private static String run(String... command) throws InterruptedException {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            String said =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            boolean ended = process.waitFor(20, TimeUnit.SECONDS);
            return ended && process.exitValue() == 0 ? "" : command[0] + ": " + said;
        } catch (IOException e) {
            return String.valueOf(e.getMessage());
        }
    }
}
