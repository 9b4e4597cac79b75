package io.kvtier.integration;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code kvtier explain}, {@code stats} and {@code top} of real nodes. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class ExplainIT {
    private static final String SAMPLE =
            ProjectRoot.find().resolve("examples/sample/novel.safetensors").toString();

    @TempDir private Path folder;

    @Test
    void explain_heldChunk_saysWhereAndWhichParts_byFileAndByKey() throws Exception {
        try (CommandProcess node = CommandProcess.start(folder)) {
            assertThat(run(node, "put", SAMPLE).exitCode()).isZero();
            CommandProcess.Result explain = run(node, "explain", SAMPLE, "--json");
            assertThat(explain.exitCode()).isZero();
            List<JsonNode> chunks = chunks(explain);
            assertThat(chunks).hasSize(4);
            for (JsonNode chunk : chunks) {
                assertThat(chunk.path("state").asText()).isEqualTo("held");
                assertThat(chunk.path("tier").asText()).isEqualTo("hot");
                assertThat(chunk.path("partsHeld")).isEqualTo(chunk.path("parts"));
                assertThat(chunk.path("bytes").asLong()).isPositive();
            }
            String key = chunks.getFirst().path("key").asText();
            CommandProcess.Result one = run(node, "explain", key);
            assertThat(one.exitCode()).isZero();
            assertThat(one.output()).contains("held in the hot tier").contains("256 tokens");
        }
    }

    @Test
    void explain_neverHeld_saysSo_andSoItDoesAfterARestartOfWhatIsOnDisk() throws Exception {
        try (CommandProcess node = CommandProcess.start(folder)) {
            CommandProcess.Result explain = run(node, "explain", SAMPLE);
            assertThat(explain.exitCode()).isEqualTo(1);
            assertThat(explain.output()).contains("miss: never held");
            assertThat(run(node, "put", SAMPLE).exitCode()).isZero();
            assertThat(node.stop()).isTrue();
        }
        try (CommandProcess node = CommandProcess.start(folder)) {
            CommandProcess.Result explain = run(node, "explain", SAMPLE);
            assertThat(explain.exitCode()).isZero();
            assertThat(explain.output()).contains("held in the cold tier");
        }
    }

    @Test
    void explain_damagedOnDisk_saysSoOnceItWasRead() throws Exception {
        try (CommandProcess node = CommandProcess.start(folder, "log")) {
            assertThat(run(node, "put", SAMPLE).exitCode()).isZero();
            assertThat(node.stop()).isTrue();
        }
        damage(folder.resolve("data/log"));
        try (CommandProcess node = CommandProcess.start(folder, "log")) {
            Path out = folder.resolve("out.safetensors");
            CommandProcess.Result _ = run(node, "get", SAMPLE, "--out", out.toString());
            CommandProcess.Result explain = run(node, "explain", SAMPLE, "--json");
            assertThat(explain.exitCode()).isEqualTo(1);
            assertThat(chunks(explain))
                    .anyMatch(chunk -> chunk.path("state").asText().equals("damaged"));
        }
    }

    @Test
    void explain_evicted_saysFromWhereAndWhen() throws Exception {
        String text =
                "listen: {port: 0}\nstorage: {directory: "
                        + folder.resolve("data")
                        + ", layout: log, hotBytes: 1MiB, coldBytes: 32MiB}\n";
        try (CommandProcess node = CommandProcess.startAs(folder, text)) {
            assertThat(run(node, "put", "--exact", SAMPLE).exitCode()).isZero();
            assertThat(run(node, "explain", "--exact", SAMPLE).exitCode()).isZero();
            for (int i = 0; i < 2; i++) {
                Path other = ofModel(i);
                assertThat(run(node, "put", "--exact", other.toString()).exitCode()).isZero();
            }
            CommandProcess.Result explain = run(node, "explain", "--exact", SAMPLE);
            assertThat(explain.exitCode()).isEqualTo(1);
            assertThat(explain.output()).contains("miss: evicted from disk ").contains(" ago");
            CommandProcess.Result metrics = run(node, "stats");
            assertThat(metrics.output()).contains("evicted from disk");
        }
    }

    @Test
    void statsAndTop_showTheSameNumbers() throws Exception {
        try (CommandProcess node = CommandProcess.start(folder)) {
            assertThat(run(node, "put", SAMPLE).exitCode()).isZero();
            CommandProcess.Result stats = run(node, "stats");
            assertThat(stats.exitCode()).isZero();
            assertThat(stats.output())
                    .contains("ready")
                    .contains("tenant none, namespace")
                    .contains("puts      stored 4");
            CommandProcess.Result top = run(node, "top", "--times", "2", "--every", "1ms");
            assertThat(top.exitCode()).isZero();
            assertThat(top.output().split("puts      stored 4", -1)).hasSize(3);
        }
    }

    /** Flips a byte in the middle of the longest segment. */
    private static void damage(Path log) throws IOException {
        List<Path> segments = new ArrayList<>();
        try (Stream<Path> files = Files.walk(log)) {
            files.filter(file -> file.getFileName().toString().startsWith("segment-"))
                    .forEach(segments::add);
        }
        Path longest = segments.getFirst();
        for (Path each : segments) {
            longest = Files.size(each) > Files.size(longest) ? each : longest;
        }
        try (RandomAccessFile file = new RandomAccessFile(longest.toFile(), "rw")) {
            // Inside the first chunk's value: its head is shorter than this.
            long at = 64 << 10;
            file.seek(at);
            int value = file.read();
            file.seek(at);
            file.write(value ^ 0x10);
        }
    }

    /** The sample as another model's, so under other keys. */
    private Path ofModel(int number) throws IOException {
        String text = Files.readString(Path.of(SAMPLE), ISO_8859_1);
        int name = text.indexOf("model_sha256");
        int from = text.indexOf(':', name) + 2;
        String other = "%064x".formatted(number + 1);
        assertThat(text.substring(from, from + other.length())).matches("[0-9a-f]{64}");
        String changed = text.substring(0, from) + other + text.substring(from + other.length());
        return Files.writeString(folder.resolve(number + ".safetensors"), changed, ISO_8859_1);
    }

    private static List<JsonNode> chunks(CommandProcess.Result result) throws IOException {
        String output = result.output();
        JsonNode root = new ObjectMapper().readTree(output.substring(output.indexOf("{\"nodes")));
        List<JsonNode> out = new ArrayList<>();
        root.path("nodes").path(0).path("chunks").forEach(out::add);
        return out;
    }

    private CommandProcess.Result run(CommandProcess node, String... args) throws Exception {
        String[] line = Arrays.copyOf(args, args.length + 2);
        line[args.length] = "--node";
        line[args.length + 1] = node.endpoint();
        return CommandProcess.run(folder, line);
    }
}
