package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.codec.identity.Dtype;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;

/** {@code kvtier codec} and {@code kvtier profile} as real processes, on a real cache. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class CodecCommandIT {
    private static final Path ROOT = ProjectRoot.find();
    private static final String PROFILE =
            ROOT.resolve("profiles/smollm2-135m-layer.kvp").toString();

    @TempDir private Path folder;

    private Path caches;
    private Path frames;

    @BeforeEach
    void copySample() throws IOException {
        caches = Files.createDirectory(folder.resolve("caches"));
        frames = folder.resolve("frames");
        Path _ =
                Files.copy(
                        ROOT.resolve("examples/sample/novel.safetensors"),
                        caches.resolve("novel.safetensors"));
    }

    @Test
    void roundtrip_reportsTheSizesOfRealFiles() throws Exception {
        JsonNode report = roundtrip("best", "--profile", PROFILE);
        long stored = stored();
        assertThat(report.path("storedBytes").asLong()).isEqualTo(stored);
        assertThat(report.path("storedBitsPerElement").asDouble())
                .isEqualTo(stored * 8.0 / report.path("elements").asLong());
        assertThat(report.path("elements").asLong()).isEqualTo(1024L * 30 * 2 * 3 * 64);
        assertThat(report.path("contexts")).hasSize(1);
        assertThat(report.path("contexts").path(0).path("rungs"))
                .extracting(JsonNode::asText)
                .containsExactly("1", "1", "1", "1/2");
        assertThat(Files.size(folder.resolve("out/novel.safetensors")))
                .isGreaterThan(2 * report.path("elements").asLong());
    }

    @Test
    void roundtrip_slidingWindow_sendsNothingThatNoQuerySees() throws Exception {
        Files.delete(caches.resolve("novel.safetensors"));
        String name = "window.safetensors";
        Map<String, String> layers = Map.of("window", "-1,32", "rope_theta", "1000000,10000");
        Path exact = TensorFiles.write(caches.resolve(name), Dtype.F16, false, layers);
        JsonNode near = roundtrip("best");
        // Of 300 tokens in chunks of 256 and 44, layer 1 sees the last 32: the second chunk.
        assertThat(near.path("elements").asLong()).isEqualTo(2 * 32 * 300);
        assertThat(near.path("neededElements").asLong()).isEqualTo(32 * (300 + 44));
        byte[] k = TensorFiles.bytes(folder.resolve("out").resolve(name), "k");
        assertThat(k).hasSize(2 * 2 * 16 * 300);
        int hidden = 2 * 16 * 300;
        int seen = hidden + 2 * 16 * 256;
        assertThat(Arrays.copyOfRange(k, hidden, seen)).containsOnly(0);
        Path _ = TensorFiles.write(exact, Dtype.F16, false, Map.of("rope_theta", "1000000,10000"));
        JsonNode whole = roundtrip("best");
        assertThat(whole.path("neededElements").asLong()).isEqualTo(2 * 32 * 300);
        assertThat(near.path("bytes").asLong()).isLessThan(whole.path("bytes").asLong());
        byte[] all = TensorFiles.bytes(folder.resolve("out").resolve(name), "k");
        assertThat(Arrays.copyOf(k, hidden)).isEqualTo(Arrays.copyOf(all, hidden));
        assertThat(Arrays.copyOfRange(k, seen, k.length))
                .isEqualTo(Arrays.copyOfRange(all, seen, k.length));
    }

    @Test
    void decode_lowerLevels_takeFewerBytesOfTheSameFrames() throws Exception {
        long before = roundtrip("best").path("bytes").asLong();
        assertThat(before).isLessThan(stored());
        for (String level : List.of("recent", "tail", "flat")) {
            long bytes =
                    json(run(
                                    "decode",
                                    frames.toString(),
                                    "--out",
                                    folder.resolve(level).toString(),
                                    "--level",
                                    level,
                                    "--json"))
                            .path("bytes")
                            .asLong();
            assertThat(bytes).as(level).isPositive().isLessThan(before);
            before = bytes;
        }
    }

    @Test
    void decode_bitFlipped_saysWhereAndExitsWith2() throws Exception {
        CommandProcess.Result encoded =
                run("encode", caches.toString(), "--out", frames.toString());
        assertThat(encoded.exitCode()).isZero();
        Path frame = frames.resolve("novel/0002.kvt");
        byte[] bytes = Files.readAllBytes(frame);
        bytes[bytes.length / 8] ^= 16;
        Files.write(frame, bytes);
        CommandProcess.Result decoded =
                run("decode", frames.toString(), "--out", folder.resolve("out").toString());
        assertThat(decoded.output())
                .contains("0002.kvt is damaged: segment ", "crc32c is ", "encode the context again")
                .doesNotContain("\tat ");
        assertThat(decoded.exitCode()).isEqualTo(2);
        CommandProcess.Result inspected = run("inspect", frame.toString());
        assertThat(inspected.output())
                .contains("0002.kvt is damaged: segment ", "crc32c is ")
                .doesNotContain("\tat ");
        assertThat(inspected.exitCode()).isEqualTo(2);
    }

    @Test
    void inspect_wholeFrame_saysAndDrawsWhereItsBitsGo() throws Exception {
        CommandProcess.Result encoded =
                run(
                        "encode",
                        caches.resolve("novel.safetensors").toString(),
                        "--out",
                        frames.toString(),
                        "--profile",
                        PROFILE);
        assertThat(encoded.output()).contains("4 frames");
        Path picture = folder.resolve("frame.svg");
        CommandProcess.Result inspected =
                run(
                        "inspect",
                        frames.resolve("0003.kvt").toString(),
                        "--profile",
                        PROFILE,
                        "--svg",
                        picture.toString());
        assertThat(inspected.output())
                .contains("tokens       768 to 1023, F16", "all 4 parts", "rung 2, last 32 tokens")
                .contains("layer 29", "1008-1023", "by token class");
        assertThat(inspected.exitCode()).isZero();
        Document svg =
                DocumentBuilderFactory.newDefaultInstance()
                        .newDocumentBuilder()
                        .parse(picture.toFile());
        // Boxes: parts and their legend, 30 layers and 256 tokens by 4 parts.
        assertThat(svg.getElementsByTagName("rect").getLength()).isEqualTo(4 * (2 + 30 + 256));
    }

    @Test
    void roundtrip_unknownLevel_namesThoseThereAre() throws Exception {
        CommandProcess.Result result =
                run(
                        "roundtrip",
                        "--in",
                        caches.toString(),
                        "--out",
                        folder.resolve("out").toString(),
                        "--level",
                        "perfect");
        assertThat(result.output())
                .contains("level is 'perfect', expected one of", "best, recent, near, tail, flat");
        assertThat(result.exitCode()).isEqualTo(2);
    }

    @Test
    void profileInspect_namesLevelsFromBestToSmallest() throws Exception {
        JsonNode profile =
                json(CommandProcess.run(folder, "profile", "inspect", PROFILE, "--json"));
        assertThat(profile.path("kind").asText()).isEqualTo("LAYER");
        assertThat(profile.path("groups")).hasSize(30);
        assertThat(profile.path("levels")).hasSizeGreaterThanOrEqualTo(5);
        assertThat(profile.path("levels"))
                .extracting(level -> level.path("bitsPerElement").asDouble())
                .isSortedAccordingTo((a, b) -> Double.compare(b, a));
        assertThat(CommandProcess.run(folder, "profile", "inspect", PROFILE).output())
                .contains("levels", "loss map", "spectrum");
    }

    private JsonNode roundtrip(String level, String... more) throws Exception {
        String[] args = {
            "roundtrip",
            "--in",
            caches.toString(),
            "--out",
            folder.resolve("out").toString(),
            "--frames",
            frames.toString(),
            "--level",
            level,
            "--json"
        };
        return json(run(Stream.concat(Stream.of(args), Stream.of(more)).toArray(String[]::new)));
    }

    private CommandProcess.Result run(String... args) throws Exception {
        return CommandProcess.run(
                folder, Stream.concat(Stream.of("codec"), Stream.of(args)).toArray(String[]::new));
    }

    /** The last line: progress comes before it. */
    private static JsonNode json(CommandProcess.Result result) throws IOException {
        assertThat(result.exitCode()).as(result.output()).isZero();
        return new ObjectMapper().readTree(result.output().lines().toList().getLast());
    }

    private long stored() throws IOException {
        try (Stream<Path> files = Files.walk(frames)) {
            long bytes = 0;
            for (Path file : files.filter(path -> path.toString().endsWith(".kvt")).toList()) {
                bytes += Files.size(file);
            }
            return bytes;
        }
    }
}
