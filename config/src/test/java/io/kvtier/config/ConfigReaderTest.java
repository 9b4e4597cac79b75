package io.kvtier.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConfigReaderTest {
    @Test
    void read_theExample_isTheDefaults() {
        Path example = Path.of("..", "examples", "node.yaml");
        assertThat(ConfigReader.read(example)).isEqualTo(NodeConfig.defaults());
    }

    @Test
    void parse_empty_isTheDefaults() {
        assertThat(parse("")).isEqualTo(NodeConfig.defaults());
        assertThat(parse("# nothing\n")).isEqualTo(NodeConfig.defaults());
    }

    @Test
    void parse_someKeys_leavesTheOthersAlone() {
        NodeConfig config = parse("storage:\n  hotBytes: 64 MiB\nlimits:\n  deadline: 250ms\n");
        assertThat(config.storage().hotBytes()).isEqualTo(64L << 20);
        assertThat(config.limits().deadline()).isEqualTo(Duration.ofMillis(250));
        assertThat(config.listen()).isEqualTo(NodeConfig.defaults().listen());
    }

    @Test
    void parse_choice_isOneOfItsNames() {
        assertThat(parse("storage: {layout: log}").storage().layout())
                .isEqualTo(NodeConfig.Layout.LOG);
        refused("storage: {layout: LOG}\n")
                .hasMessage("node.yaml:1:19: storage.layout: got 'LOG', expected log or blob");
    }

    @Test
    void parse_security_filesComeInPairs() {
        String text = "security: {certificate: a.pem, key: a.key, plaintext: true}";
        NodeConfig.Security security = ConfigReader.parse(text, "node.yaml").security();
        assertThat(security.isEncrypted()).isTrue();
        assertThat(security.isAuthenticated()).isFalse();
        assertThat(security.plaintext()).isTrue();
        for (String half : new String[] {"certificate: a", "clientAuthorities: a", "tokens: a"}) {
            assertThatThrownBy(() -> ConfigReader.parse("security: {" + half + "}", "node.yaml"))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("node.yaml:1")
                    .hasMessageContaining("given");
        }
        assertThatThrownBy(() -> ConfigReader.parse("security: {plaintext: 1}", "node.yaml"))
                .hasMessageContaining("true or false");
    }

    @Test
    void parse_unknownKey_saysWhereAndSuggestsTheNearest() {
        refused("storage:\n  hotbyte: 1GiB\n")
                .hasMessage(
                        "node.yaml:2:3: storage.hotbyte: unknown key, did you mean 'hotBytes'?");
        refused("strage: {}\n").hasMessageContaining("did you mean 'storage'?");
        refused("zebra: 1\n").hasMessageContaining("expected one of [listen, storage");
    }

    @Test
    void parse_wrongType_saysWhatWasGotAndExpected() {
        refused("listen:\n  port: many\n")
                .hasMessage("node.yaml:2:9: listen.port: got 'many', expected a whole number");
        refused("storage:\n  hotBytes: 1GB\n").hasMessageContaining("a size such as 512MiB");
        refused("limits:\n  idle: 30\n").hasMessageContaining("a time such as 2s");
        refused("storage: 5\n").hasMessageContaining("got '5', expected keys [directory");
        refused("storage:\n  directory: [a]\n").hasMessageContaining("got a list");
    }

    @Test
    void parse_voters_areAListOfRecords() {
        ClusterConfig cluster =
                parse(
                                "cluster: {node: b, voters: [{node: a, port: 1}, {node: b, port:"
                                        + " 2}, {node: c, controlPort: 9000}]}")
                        .cluster();
        assertThat(cluster.voters())
                .containsExactly(
                        new ClusterConfig.Voter("a", "127.0.0.1", 1, 7500),
                        new ClusterConfig.Voter("b", "127.0.0.1", 2, 7500),
                        new ClusterConfig.Voter("c", "127.0.0.1", 7420, 9000));
        assertThat(cluster.self()).contains(cluster.voters().get(1));
        assertThat(cluster.isClustered()).isTrue();
    }

    @Test
    void parse_cluster_saysWhatDoesNotFit() {
        refused("cluster: {node: a, voters: 5}")
                .hasMessage(
                        "node.yaml:1:28: cluster.voters: got '5', expected a list of [node, host,"
                                + " port, controlPort]");
        refused("cluster: {node: a, voters: [{port: 0}]}")
                .hasMessage("node.yaml:1:36: cluster.voters[0].port: got 0, expected 1..65535");
        refused("cluster: {node: a, voters: [{node: a}, {node: b}]}")
                .hasMessage("node.yaml:1:28: cluster.voters: got 2, expected 1, 3 or 5");
        refused("cluster: {node: a}").hasMessageContaining("both a name and voters, or neither");
        refused("cluster: {iKnowItIsPlaintext: yes}")
                .hasMessageContaining("got 'yes', expected true or false");
        refused("cluster: {timeout: 1s}").hasMessageContaining("three times the heartbeat");
    }

    @Test
    void parse_outOfRange_saysWhichKey() {
        refused("listen:\n  port: 70000\n")
                .hasMessage("node.yaml:2:9: listen.port: got 70000, expected 0..65535");
        refused("storage:\n  hotBytes: 1KiB\n").hasMessageContaining("at least 1MiB");
        refused("limits:\n  streamBytes: 1MiB\n").hasMessageContaining("at least messageBytes");
        refused("storage:\n  coldBytes: 99999999999TiB\n").hasMessageContaining("a size");
    }

    @Test
    void parse_retention_takesATimeForEachNamespace() {
        String digest = "0123456789abcdef".repeat(4);
        String list = "storage: {retention: {ttl: 2h, namespaces: [{namespace: %s, ttl: 0s}%s]}}";
        RetentionConfig retention = parse(list.formatted(digest, "")).storage().retention();
        assertThat(retention.ttl()).isEqualTo(Duration.ofHours(2));
        assertThat(retention.namespaces())
                .containsExactly(new RetentionConfig.NamespaceTtl(digest, Duration.ZERO));
        refused(list.formatted("abc", "")).hasMessageContaining("64 hexadecimal digits");
        refused(list.formatted(digest, ", {namespace: " + digest + "}"))
                .hasMessageContaining("each namespace once");
        refused("storage: {scrub: {bytesPerSecond: 1KiB}}").hasMessageContaining("64KiB");
        refused("limits: {tickets: {time: 6s}}").hasMessageContaining("1ms..5s");
    }

    @Test
    void parse_repeatedKey_isRefused() {
        refused("listen:\n  port: 1\n  port: 2\n").hasMessageContaining("port");
    }

    @Test
    void parse_noYaml_saysWhere() {
        refused("listen: [\n").hasMessageContaining("not YAML");
    }

    @Test
    void read_missingFile_saysSo(@TempDir Path folder) {
        Path file = folder.resolve("none.yaml");
        assertThatThrownBy(() -> ConfigReader.read(file))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("none.yaml: cannot be read");
    }

    @Test
    void read_hugeFile_isRefusedUnread(@TempDir Path folder) throws IOException {
        Path file = Files.write(folder.resolve("huge.yaml"), new byte[(1 << 20) + 1]);
        assertThatThrownBy(() -> ConfigReader.read(file))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("expected at most");
    }

    private static NodeConfig parse(String text) {
        return ConfigReader.parse(text, "node.yaml");
    }

    private static org.assertj.core.api.AbstractThrowableAssert<?, ? extends Throwable> refused(
            String text) {
        return assertThatThrownBy(() -> parse(text)).isInstanceOf(ConfigException.class);
    }
}
