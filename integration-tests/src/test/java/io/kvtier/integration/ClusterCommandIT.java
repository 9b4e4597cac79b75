package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A cluster to try out, as a user meets it: up, status, drain, down. */
@Timeout(600)
class ClusterCommandIT {
    @TempDir Path folder;

    private String dir = "";

    @Test
    void cluster_upDrainedAndDown_saysWhatItDoes() throws Exception {
        dir = folder.resolve("cluster").toString();
        JsonNode up = json("cluster", "up", "--nodes", "3", "--dir", dir, "--json");
        List<Long> pids = new ArrayList<>();
        up.path("nodes").forEach(node -> pids.add(node.path("pid").asLong()));
        try {
            assertThat(up.path("nodes").findValuesAsText("id"))
                    .containsExactly("node-1", "node-2", "node-3");
            assertThat(pids).allMatch(ClusterCommandIT::isAlive);
            assertThat(run("cluster", "up", "--dir", dir).exitCode())
                    .as("runs already")
                    .isEqualTo(2);
            String node = up.path("nodes").get(0).path("endpoint").asText();

            JsonNode drained = json("drain", "node-3", "--node", node, "--json");
            assertThat(drained.path("state").asText()).isEqualTo("DRAINING");
            JsonNode status =
                    await().atMost(Duration.ofMinutes(1)) // until a follower has heard of it
                            .until(
                                    () -> json("cluster", "status", "--node", node, "--json"),
                                    told -> share(told, 2) == 0);
            assertThat(status.path("members").findValuesAsText("id"))
                    .containsExactly("node-1", "node-2", "node-3");
            assertThat(share(status, 0)).isEqualTo(0.5);

            CommandProcess.Result unknown = run("drain", "node-9", "--node", node);
            assertThat(unknown.exitCode()).isEqualTo(2);
            assertThat(unknown.output()).contains("node-9 is not in the cluster of node-1, node-2");
        } finally {
            CommandProcess.Result down = run("cluster", "down", "--dir", dir);
            pids.stream()
                    .flatMap(pid -> ProcessHandle.of(pid).stream())
                    .forEach(ProcessHandle::destroyForcibly);
            assertThat(down.output()).contains("3 nodes stopped");
        }
        assertThat(pids).noneMatch(ClusterCommandIT::isAlive);
        assertThat(run("cluster", "down", "--dir", dir).exitCode()).as("none runs").isEqualTo(2);
    }

    private static double share(JsonNode status, int member) {
        return status.path("members").get(member).path("share").asDouble();
    }

    private JsonNode json(String... args) throws Exception {
        CommandProcess.Result result = run(args);
        assertThat(result.exitCode()).as(result.output()).isZero();
        String line =
                result.output()
                        .lines()
                        .filter(each -> each.startsWith("{"))
                        .findFirst()
                        .orElseThrow();
        return new ObjectMapper().readTree(line);
    }

    private CommandProcess.Result run(String... args) throws Exception {
        return CommandProcess.run(folder, args);
    }

    private static boolean isAlive(long pid) {
        return ProcessHandle.of(pid).filter(ProcessHandle::isAlive).isPresent();
    }
}
