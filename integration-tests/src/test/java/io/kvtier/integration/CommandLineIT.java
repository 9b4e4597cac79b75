package io.kvtier.integration;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.kvtier.codec.identity.Dtype;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

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
        assertThat(node.output()).contains("data/").doesNotContain("\tat ");
        assertThat(node.exitCode()).isEqualTo(2);
    }

    @Test
    void put_withProfile_getDecodesByIt() throws Exception {
        Path profile = ProjectRoot.find().resolve("profiles/smollm2-135m-joint.kvp");
        try (CommandProcess node = CommandProcess.start(folder)) {
            CommandProcess.Result put = put(node, profile);
            assertThat(put.output()).contains("4 chunks, 1024 tokens");
            assertThat(put.exitCode()).isZero();
            Path out = folder.resolve("calibrated.safetensors");
            CommandProcess.Result get = get(node, out);
            assertThat(get.output()).contains("4 of 4 matched chunks, 1024 tokens");
            assertThat(get.exitCode()).isZero();
            assertThat(relativeError(out, true)).isBetween(0.001, 0.35);
            assertThat(relativeError(out, false)).isBetween(0.001, 0.35);
        }
    }

    @Test
    void put_profileThatIsNone_exitsWith2AndStoresNothing() throws Exception {
        Path none = Files.writeString(folder.resolve("none.kvp"), "KVP0 is no profile");
        try (CommandProcess node = CommandProcess.start(folder)) {
            for (Path profile : List.of(none, folder.resolve("missing.kvp"))) {
                CommandProcess.Result put = put(node, profile);
                assertThat(put.output()).contains(profile.toString()).doesNotContain("\tat ");
                assertThat(put.exitCode()).isEqualTo(2);
            }
            Path out = folder.resolve("nothing.safetensors");
            assertThat(get(node, out).exitCode()).as("nothing is held").isEqualTo(1);
            assertThat(out).doesNotExist();
        }
    }

    private CommandProcess.Result put(CommandProcess node, Path profile) throws Exception {
        return CommandProcess.run(
                folder, "put", SAMPLE, "--node", node.endpoint(), "--profile", profile.toString());
    }

    /** Root of the square error of a tensor of the sample over its square norm. */
    private static double relativeError(Path file, boolean keys) throws IOException {
        double error = 0;
        double norm = 0;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment expected = tensor(Path.of(SAMPLE), keys, arena);
            MemorySegment actual = tensor(file, keys, arena);
            assertThat(actual.byteSize()).isEqualTo(expected.byteSize());
            for (long at = 0; at < expected.byteSize(); at += 2) {
                double value = Float.float16ToFloat(expected.get(JAVA_SHORT_UNALIGNED, at));
                double got = Float.float16ToFloat(actual.get(JAVA_SHORT_UNALIGNED, at));
                error += (value - got) * (value - got);
                norm += value * value;
            }
        }
        return Math.sqrt(error / norm);
    }

    private static MemorySegment tensor(Path file, boolean keys, Arena arena) throws IOException {
        CacheFile cache = CacheFile.read(file, Optional.empty(), arena);
        assertThat(cache.namespace().geometry().dtype()).isEqualTo(Dtype.F16);
        return (keys ? cache.keys() : cache.values()).orElseThrow();
    }

    @Test
    void node_folderMissing_isMadeForItsUserAlone() throws Exception {
        Path data = folder.resolve("data/chunks");
        assertThat(folder.resolve("data")).doesNotExist();
        try (CommandProcess node = CommandProcess.start(folder)) {
            assertThat(node.endpoint()).startsWith("127.0.0.1:");
            assertThat(data.resolve("STORE")).exists();
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(data)))
                    .isEqualTo("rwx------");
        }
    }

    @Test
    void node_folderIsReadOnly_saysSoAndExitsWith2() throws Exception {
        Path readOnly = Files.createDirectory(folder.resolve("read-only"));
        if (System.getProperty("user.name").equals("root")) {
            // Root may write in any folder but those of the kernel.
            readOnly = Path.of("/proc/self/fdinfo");
            assumeTrue(Files.isDirectory(readOnly), "root, and no folder that refuses root");
        } else {
            Files.setPosixFilePermissions(readOnly, PosixFilePermissions.fromString("r-xr-xr-x"));
        }
        Path config =
                Files.writeString(folder.resolve("node.yaml"), CommandProcess.config(readOnly, 0));
        CommandProcess.Result node =
                CommandProcess.run(folder, "node", "--config", config.toString());
        assertThat(node.output())
                .contains(readOnly + "/data/")
                .contains("may write")
                .doesNotContain("\tat ");
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

    @ParameterizedTest
    @EnumSource
    void putGet_exact_givesTheTensorsBitForBit(Dtype dtype) throws Exception {
        Path file = TensorFiles.write(folder.resolve("any.safetensors"), dtype, true);
        Path out = folder.resolve("out.safetensors");
        try (CommandProcess node = CommandProcess.start(folder)) {
            CommandProcess.Result put = run(node, "put", "--exact", file.toString());
            assertThat(put.output()).contains("2 chunks, 300 tokens");
            assertThat(put.exitCode()).isZero();
            CommandProcess.Result other = run(node, "match", file.toString());
            assertThat(other.output()).contains("0 of 300 tokens");
            assertThat(other.exitCode()).isEqualTo(1);
            CommandProcess.Result get =
                    run(node, "get", "--exact", file.toString(), "--out", out.toString());
            assertThat(get.output()).contains("2 of 2 matched chunks, 300 tokens");
            assertThat(get.exitCode()).isZero();
        }
        for (String name : List.of("tokens", "k", "v")) {
            assertThat(TensorFiles.bytes(out, name)).isEqualTo(TensorFiles.bytes(file, name));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F32"})
    void putGet_adaptive_comesClose(Dtype dtype) throws Exception {
        Path file = TensorFiles.write(folder.resolve("finite.safetensors"), dtype, false);
        Path out = folder.resolve("out.safetensors");
        try (CommandProcess node = CommandProcess.start(folder)) {
            assertThat(run(node, "put", file.toString()).exitCode()).isZero();
            CommandProcess.Result get = run(node, "get", file.toString(), "--out", out.toString());
            assertThat(get.output()).contains("2 of 2 matched chunks, 300 tokens");
        }
        assertThat(TensorFiles.bytes(out, "tokens")).isEqualTo(TensorFiles.bytes(file, "tokens"));
        for (String name : List.of("k", "v")) {
            // A base alone leaves 0.05 of independent Gaussian values: nothing to predict.
            assertThat(TensorFiles.error(out, file, name, dtype)).isBetween(0.0, 0.06);
        }
    }

    @Test
    void put_exactByAProfile_saysSoAndExitsWith2() throws Exception {
        CommandProcess.Result put =
                CommandProcess.run(folder, "put", "--exact", "--profile", SAMPLE, SAMPLE);
        assertThat(put.output()).contains("--profile").contains("--exact");
        assertThat(put.exitCode()).isEqualTo(2);
    }

    private CommandProcess.Result run(CommandProcess node, String... args) throws Exception {
        String[] line = Arrays.copyOf(args, args.length + 2);
        line[args.length] = "--node";
        line[args.length + 1] = node.endpoint();
        return CommandProcess.run(folder, line);
    }

    private CommandProcess.Result get(CommandProcess node, Path out) throws Exception {
        return CommandProcess.run(
                folder, "get", SAMPLE, "--node", node.endpoint(), "--out", out.toString());
    }
}
