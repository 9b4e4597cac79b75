package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code kvtier pin}, {@code unpin}, {@code ttl} and {@code evict} as processes. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class RetentionIT {
    private static final String SAMPLE =
            ProjectRoot.find().resolve("examples/sample/novel.safetensors").toString();

    @TempDir private Path folder;

    private CommandProcess.Result run(CommandProcess node, String command, String... more)
            throws Exception {
        List<String> line = new ArrayList<>(List.of(command, SAMPLE));
        line.addAll(Arrays.asList(more));
        line.addAll(List.of("--node", node.endpoint()));
        return CommandProcess.run(folder, line.toArray(String[]::new));
    }

    @Test
    void commands_pinAndEvict_sayWhatBecameOfEachChunkAndPinsSurviveAKill() throws Exception {
        try (CommandProcess node = CommandProcess.start(folder)) {
            assertThat(run(node, "pin").exitCode()).as("nothing is held").isEqualTo(1);
            assertThat(run(node, "put").exitCode()).isZero();
            CommandProcess.Result pin = run(node, "pin", "--json");
            assertThat(pin.output()).contains("\"verb\":\"pin\"").contains("\"done\":4");
            assertThat(pin.exitCode()).isZero();
            node.kill();
        }
        try (CommandProcess node = CommandProcess.start(folder)) {
            CommandProcess.Result refused = run(node, "evict");
            assertThat(refused.output()).contains("4 chunks are pinned", "kvtier unpin");
            assertThat(refused.exitCode()).isEqualTo(3);
            assertThat(run(node, "unpin").output()).contains("4 of 4 chunks not pinned");
            assertThat(run(node, "ttl", "2h").output()).contains("expire in 7200 s");
            assertThat(run(node, "ttl", "soon").exitCode()).as("no time").isEqualTo(2);
            assertThat(run(node, "evict").output()).contains("4 of 4 chunks removed");
            assertThat(run(node, "match").exitCode()).isEqualTo(1);
            assertThat(node.stop()).isTrue();
        }
    }
}
