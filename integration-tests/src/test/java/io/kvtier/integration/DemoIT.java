package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the first command of the README shows. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class DemoIT {
    @TempDir private Path folder;

    @Test
    void demo_amplyTimed_bringsEveryChunkWithinItsPromise() throws Exception {
        Path out = folder.resolve("out");
        // A deadline that a busy machine meets, too: nothing here is timed.
        CommandProcess.Result demo =
                CommandProcess.run(
                        folder, "demo", "--json", "--out", out.toString(), "--deadline", "20s");
        assertThat(demo.exitCode()).as(demo.output()).isZero();
        List<JsonNode> links = links(demo);
        assertThat(links).hasSize(3);
        for (JsonNode link : links) {
            assertThat(link.get("withinBound").asBoolean()).as(link.toString()).isTrue();
            assertThat(link.get("chunks").asInt()).isEqualTo(4);
            assertThat(link.get("maxError").asDouble()).isPositive();
            assertThat(link.get("bytes").asLong()).isPositive().isLessThan(2_500_000);
        }
        assertThat(out.resolve("unshaped/novel.safetensors")).isNotEmptyFile();
        assertThat(out.resolve("20mbit/novel.safetensors")).isNotEmptyFile();
    }

    private static List<JsonNode> links(CommandProcess.Result demo) throws Exception {
        String json =
                demo.output().lines().filter(line -> line.startsWith("{")).findFirst().orElse("");
        List<JsonNode> links = new ArrayList<>();
        new ObjectMapper().readTree(json).get("links").forEach(links::add);
        return links;
    }
}
