package io.kvtier.codec.vectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.ExactDecoder;
import io.kvtier.codec.ExactEncoder;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.testing.ExactChunks;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/**
 * Exact frames of the Python encoder give their bytes here; those of this encoder stay the same.
 */
class ExactVectorTest {
    private static final Path PYTHON =
            Path.of("..", "client", "python", "tests", "vectors", "exact.json");
    private static final Path CHUNKS = PYTHON.resolveSibling("frames.json");

    private record Case(String name, Namespace namespace, String text) {
        byte[] frame() {
            return hex(text, "frame");
        }

        byte[] raw() {
            return hex(text, "raw");
        }
    }

    @Test
    void framesOfPython_giveTheRecordedBytes() throws IOException {
        List<Case> cases = cases();
        assertThat(cases).hasSizeGreaterThanOrEqualTo(5);
        for (Case sample : cases) {
            ExactDecoder decoder = new ExactDecoder(sample.namespace);
            assertThat(ExactChunks.decode(sample.namespace, decoder, sample.frame()))
                    .as(sample.name)
                    .isEqualTo(sample.raw());
        }
    }

    @Test
    void exactFrameAmongTheChunksOfPython_givesTheRecordedTensors() throws IOException {
        String json = Files.readString(CHUNKS);
        String text = json.substring(json.indexOf("\"name\":\"exact\""));
        Namespace namespace = Namespace.parse(ByteBuffer.wrap(hex(text, "namespace")));
        byte[] raw = ExactChunks.layers(namespace, hex(text, "k"), hex(text, "v"));
        byte[] frame = hex(text, "frame");
        assertThat(ExactChunks.decode(namespace, new ExactDecoder(namespace), frame))
                .isEqualTo(raw);
    }

    /** The bytes hang on the version of zstd, too: a new one may make the file anew. */
    @Test
    void framesOfJava_keepTheirBytes() throws IOException {
        List<Object> out = new ArrayList<>();
        for (Case sample : cases()) {
            FrameHeader header =
                    FrameBytes.readHeader(
                            MemorySegment.ofArray(sample.frame()), DecodeLimits.defaults());
            byte[] frame =
                    ExactChunks.encode(
                            sample.namespace,
                            new ExactEncoder(sample.namespace),
                            ExactChunks.Place.of(header),
                            sample.raw());
            out.add(
                    Json.object(
                            "name",
                            sample.name,
                            "namespace",
                            sample.namespace.toBytes(),
                            "frame",
                            frame,
                            "raw",
                            sample.raw()));
        }
        Golden.holdJson("exact", Json.object("cases", out));
    }

    private static List<Case> cases() throws IOException {
        List<Case> out = new ArrayList<>();
        String json = Files.readString(PYTHON);
        for (String text : Pattern.compile("(?=\"name\":)").splitAsStream(json).toList()) {
            if (text.startsWith("\"name\"")) {
                out.add(
                        new Case(
                                string(text, "name"),
                                Namespace.parse(ByteBuffer.wrap(hex(text, "namespace"))),
                                text));
            }
        }
        return out;
    }

    private static byte[] hex(String text, String field) {
        return HexFormat.of().parseHex(string(text, field));
    }

    private static String string(String text, String field) {
        Matcher matcher = Pattern.compile("\"" + field + "\": ?\"([^\"]*)\"").matcher(text);
        assertThat(matcher.find()).as(field).isTrue();
        return matcher.group(1);
    }
}
