package io.kvtier.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.storage.policy.Trace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TraceFileTest {
    private static final String FIRST =
            "{\"timestamp\": 5, \"input_length\": 9, \"output_length\": 1, \"hash_ids\": [0, 7]}";

    @TempDir Path folder;

    @Test
    void read_mooncakesForm_givesTimesAndChains() throws IOException {
        Trace trace = read("{\"timestamp\": 8, \"hash_ids\": [0, 7, 9000000000]}");

        assertThat(trace.requests()).hasSize(2);
        assertThat(trace.requests().getFirst().millis()).isEqualTo(5);
        assertThat(trace.requests().getFirst().blocks()).containsExactly(0, 7);
        assertThat(trace.requests().getLast().millis()).isEqualTo(8);
        assertThat(trace.requests().getLast().blocks()).containsExactly(0, 7, 9_000_000_000L);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"timestamp\": 4, \"hash_ids\": []} | timestamp",
                "{\"hash_ids\": []} | timestamp",
                "{\"timestamp\": 6} | hash_ids",
                "{\"timestamp\": 6, \"hash_ids\": [\"a\"]} | integers",
                "nonsense | no JSON"
            })
    void read_lineIsNoRequest_namesTheLine(String line, String said) {
        assertThatThrownBy(() -> read(line))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("trace.jsonl:2")
                .hasMessageContaining(said);
    }

    @Test
    void read_oneRequest_isTooFew() {
        Path file = folder.resolve("trace.jsonl");
        assertThatThrownBy(() -> TraceFile.read(Files.writeString(file, FIRST)))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("at least 2");
    }

    private Trace read(String second) throws IOException {
        return TraceFile.read(
                Files.writeString(folder.resolve("trace.jsonl"), FIRST + "\n" + second + "\n"));
    }
}
