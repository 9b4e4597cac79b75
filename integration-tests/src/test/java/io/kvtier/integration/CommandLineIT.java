package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The node and its commands as real processes. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class CommandLineIT {
    private static final String SAMPLE =
            ProjectRoot.find().resolve("examples/sample/novel.safetensors").toString();

    @TempDir private Path folder;

    @Test
    void node_killedAfterDiskAcknowledgement_servesTheSameBytes() throws Exception {
        String before;
        try (CommandProcess node = CommandProcess.start(folder)) {
            CommandProcess.Result put =
                    CommandProcess.run(folder, "put", SAMPLE, "--node", node.endpoint());
            node.kill();
            assertThat(put.output()).contains("4 chunks, 1024 tokens");
            assertThat(put.exitCode()).isZero();
        }
        try (CommandProcess node = CommandProcess.start(folder)) {
            Path first = folder.resolve("first.safetensors");
            CommandProcess.Result get = get(node, first);
            assertThat(get.output()).contains("4 of 4 matched chunks, 1024 tokens");
            assertThat(get.exitCode()).isZero();
            before = Files.readString(first, java.nio.charset.StandardCharsets.ISO_8859_1);
            assertThat(node.stop()).isTrue();
        }
        assertThat(folder.resolve("node.log")).content().contains("stopped cleanly");
        try (CommandProcess node = CommandProcess.start(folder)) {
            Path second = folder.resolve("second.safetensors");
            assertThat(get(node, second).exitCode()).isZero();
            assertThat(Files.readString(second, java.nio.charset.StandardCharsets.ISO_8859_1))
                    .isEqualTo(before);
        }
    }

    @Test
    void node_portOccupied_saysSoAndExitsWith2() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            int port = taken.getLocalPort();
            Path config =
                    Files.writeString(
                            folder.resolve("node.yaml"), CommandProcess.config(folder, port));
            CommandProcess.Result node =
                    CommandProcess.run(folder, "node", "--config", config.toString());
            assertThat(node.output()).contains("127.0.0.1:" + port);
            assertThat(node.exitCode()).isEqualTo(2);
        }
    }

    @Test
    void node_folderIsAFile_saysSoAndExitsWith2() throws Exception {
        Files.writeString(folder.resolve("data"), "not a folder");
        Path config =
                Files.writeString(folder.resolve("node.yaml"), CommandProcess.config(folder, 0));
        CommandProcess.Result node =
                CommandProcess.run(folder, "node", "--config", config.toString());
        assertThat(node.output()).contains("data/chunks").doesNotContain("\tat ");
        assertThat(node.exitCode()).isEqualTo(2);
    }

    @Test
    void match_nodeIsDead_exitsWith3() throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        CommandProcess.Result match =
                CommandProcess.run(
                        folder, "match", SAMPLE, "--node", "127.0.0.1:" + port, "--deadline", "2s");
        assertThat(match.output()).contains("127.0.0.1:" + port).doesNotContain("\tat ");
        assertThat(match.exitCode()).isEqualTo(3);
    }

    private CommandProcess.Result get(CommandProcess node, Path out) throws Exception {
        return CommandProcess.run(
                folder, "get", SAMPLE, "--node", node.endpoint(), "--out", out.toString());
    }
}
