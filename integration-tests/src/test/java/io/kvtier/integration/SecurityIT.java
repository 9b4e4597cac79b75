package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tokens from the command line to a node that asks for them, as real processes. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class SecurityIT {
    private static final String SAMPLE =
            ProjectRoot.find().resolve("examples/sample/novel.safetensors").toString();

    @TempDir private Path folder;
    private Path writer;
    private Path admin;
    private Path stranger;
    private String security = "";

    @BeforeEach
    void tokens() throws Exception {
        writer = folder.resolve("writer.token");
        admin = folder.resolve("admin.token");
        stranger = folder.resolve("stranger.token");
        Path tokens = folder.resolve("tokens");
        Path secret = folder.resolve("secret");
        Files.writeString(
                tokens,
                token("acme", "writer", writer)
                        + token("ops", "admin", admin)
                        + token("other", "writer", stranger));
        Files.writeString(secret, "0123456789abcdef".repeat(4) + "\n");
        security = "security: {tokens: " + tokens + ", secret: " + secret + "}\n";
    }

    @Test
    void node_withTokens_servesEachTenantItsOwn() throws Exception {
        try (CommandProcess node = CommandProcess.startWith(folder, security)) {
            String at = node.endpoint();
            assertThat(run("put", SAMPLE, at, writer).output()).contains("4 chunks");
            assertThat(run("match", SAMPLE, at, writer).output()).contains("1024");
            CommandProcess.Result elsewhere = run("match", SAMPLE, at, stranger);
            assertThat(elsewhere.output()).doesNotContain("1024 of");
            assertThat(elsewhere.exitCode()).isEqualTo(1);
            CommandProcess.Result nobody =
                    CommandProcess.run(folder, "match", SAMPLE, "--node", at);
            assertThat(nobody.exitCode()).isGreaterThan(1);
            assertThat(nobody.output()).contains("token");
            assertThat(stats(at, writer).output()).contains("admin");
            assertThat(stats(at, admin).exitCode()).isZero();
        }
        String log = Files.readString(folder.resolve("node.log"));
        assertThat(log).doesNotContain(Files.readString(writer).strip());
    }

    @Test
    void token_isForItsOwnerAlone_andNoFileIsOverwritten() throws Exception {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(writer)))
                .isEqualTo("rw-------");
        String before = Files.readString(writer);
        CommandProcess.Result again =
                CommandProcess.run(folder, "token", "--tenant", "acme", "--out", writer.toString());
        assertThat(again.exitCode()).isEqualTo(2);
        assertThat(again.output()).contains(writer.toString());
        assertThat(Files.readString(writer)).isEqualTo(before);
    }

    @Test
    void node_onAnotherAddress_wantsTlsAndTokens() throws Exception {
        Path config =
                Files.writeString(
                        folder.resolve("open.yaml"),
                        "listen: {host: 0.0.0.0, port: 0}\n" + security);
        CommandProcess.Result node =
                CommandProcess.run(folder, "node", "--config", config.toString());
        assertThat(node.exitCode()).isEqualTo(2);
        assertThat(node.output()).contains("0.0.0.0").contains("security.certificate");
    }

    @Test
    void tlsCertificateWithoutAuthority_isRefusedAndNothingIsSent() throws Exception {
        CommandProcess.Result stats =
                CommandProcess.run(
                        folder,
                        "stats",
                        "--node",
                        "127.0.0.1:1",
                        "--token-file",
                        admin.toString(),
                        "--tls-cert",
                        writer.toString());
        assertThat(stats.exitCode()).isEqualTo(2);
        assertThat(stats.output()).contains("--tls-ca").contains("plain text");
    }

    @Test
    void nodeOfACluster_withTokensButNoneOfItsOwn_doesNotStart() throws Exception {
        Path config =
                Files.writeString(
                        folder.resolve("mute.yaml"),
                        CommandProcess.config(folder, 0)
                                + security
                                + "cluster: {node: a, voters: ["
                                + "{node: a, host: 127.0.0.1, port: 1, controlPort: 2}]}\n");
        CommandProcess.Result node =
                CommandProcess.run(folder, "node", "--config", config.toString());
        assertThat(node.exitCode()).isEqualTo(2);
        assertThat(node.output()).contains("security.nodeToken");
    }

    private String token(String tenant, String role, Path out) throws Exception {
        CommandProcess.Result made =
                CommandProcess.run(
                        folder,
                        "token",
                        "--tenant",
                        tenant,
                        "--role",
                        role,
                        "--out",
                        out.toString());
        assertThat(made.exitCode()).isZero();
        // The JVM may warn first, on the other stream.
        String line = made.output().lines().toList().getLast();
        assertThat(line).endsWith(role + " " + tenant);
        return line + "\n";
    }

    private CommandProcess.Result run(String command, String file, String node, Path token)
            throws Exception {
        return CommandProcess.run(
                folder, command, file, "--node", node, "--token-file", token.toString());
    }

    private CommandProcess.Result stats(String node, Path token) throws Exception {
        return CommandProcess.run(
                folder, "stats", "--node", node, "--token-file", token.toString());
    }
}
