package io.kvtier.node.frames;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.codec.identity.Digest;
import java.util.List;
import org.junit.jupiter.api.Test;

class SizeReportTest {
    private static final SizeReport REPORT =
            new SizeReport(
                    LevelRequest.of(List.of(), "recent"),
                    Digest.ZERO,
                    List.of(
                            new SizeReport.Context("a", 2000, 1000, 100, 500, List.of("0", "1/2")),
                            new SizeReport.Context("b", 3000, 3000, 500, 750, List.of("1/2"))));

    @Test
    void json_countsBitsSentOverTheElementsThatAreNeeded() throws Exception {
        JsonNode json = new ObjectMapper().readTree(REPORT.json());
        assertThat(json.path("level").asText()).isEqualTo("recent");
        assertThat(json.path("recency").asBoolean()).isTrue();
        assertThat(json.path("bytes").asLong()).isEqualTo(600);
        assertThat(json.path("elements").asLong()).isEqualTo(5000);
        assertThat(json.path("neededElements").asLong()).isEqualTo(4000);
        assertThat(json.path("bitsPerElement").asDouble()).isEqualTo(1.2);
        assertThat(json.path("storedBitsPerElement").asDouble()).isEqualTo(2.0);
        JsonNode first = json.path("contexts").path(0);
        assertThat(first.path("name").asText()).isEqualTo("a");
        assertThat(first.path("bytes").asLong()).isEqualTo(100);
        assertThat(first.path("bitsPerElement").asDouble()).isEqualTo(0.8);
        assertThat(first.path("rungs").path(1).asText()).isEqualTo("1/2");
    }

    @Test
    void table_hasALineAContextAndTwoForAll() {
        assertThat(REPORT.table().lines())
                .hasSize(5)
                .anyMatch(line -> line.startsWith("all, sent") && line.contains("1.200"))
                .anyMatch(line -> line.startsWith("all, stored") && line.contains("2.000"));
    }
}
