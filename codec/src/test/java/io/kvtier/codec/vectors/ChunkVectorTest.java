package io.kvtier.codec.vectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.ChunkDecoder;
import io.kvtier.codec.ChunkEncoder;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.profile.DataFree;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Frames of the Python encoder decode here, and those of this encoder keep their bytes. */
class ChunkVectorTest {
    private static final Path PYTHON =
            Path.of("..", "client", "python", "tests", "vectors", "frames.json");
    private static final Pattern CUT =
            Pattern.compile(
                    "\"bytes\": ?(\\d+),.*?\"k\": ?\"(\\p{XDigit}*)\",\\s*\"v\":"
                            + " ?\"(\\p{XDigit}*)\"",
                    Pattern.DOTALL);

    private record Cut(int bytes, MemorySegment keys, MemorySegment values) {}

    private record Case(
            String name,
            Namespace namespace,
            Profile profile,
            MemorySegment frame,
            List<Cut> cuts) {}

    @Test
    void framesOfPython_atEveryCut_decodeToTheRecordedValues() throws IOException {
        List<Case> cases = cases();
        assertThat(cases).hasSizeGreaterThanOrEqualTo(5);
        for (Case sample : cases) {
            for (Cut cut : sample.cuts) {
                KvBlock decoded = decode(sample, sample.frame, cut.bytes);
                assertClose(sample, decoded.keys(), cut.keys);
                assertClose(sample, decoded.values(), cut.values);
            }
        }
    }

    @Test
    void framesOfJava_keepTheirBytes() throws IOException {
        List<Object> out = new ArrayList<>();
        for (Case sample : cases()) {
            Cut whole = sample.cuts.getLast();
            FrameHeader header = header(sample, sample.frame);
            KvBlock block =
                    new KvBlock(
                            sample.namespace.geometry(),
                            header.firstPosition(),
                            header.tokens(),
                            whole.keys,
                            whole.values);
            byte[] frame =
                    new ChunkEncoder(sample.namespace, sample.profile)
                            .encode(header.key(), header.tokenDigest(), block);
            List<Object> cuts = new ArrayList<>();
            MemorySegment written = MemorySegment.ofArray(frame);
            for (long cut : header(sample, written).cuts()) {
                KvBlock decoded = decode(sample, written, (int) cut);
                cuts.add(
                        Json.object(
                                "bytes",
                                cut,
                                "k",
                                decoded.keys().toArray(ValueLayout.JAVA_BYTE),
                                "v",
                                decoded.values().toArray(ValueLayout.JAVA_BYTE)));
            }
            out.add(Json.object("case", sample.name, "frame", frame, "cuts", cuts));
        }
        Golden.holdJson("chunks", Json.object("cases", out));
    }

    private static FrameHeader header(Case sample, MemorySegment frame) {
        return FrameBytes.verify(
                frame, sample.namespace, sample.namespace.digest(), DecodeLimits.defaults());
    }

    private static KvBlock decode(Case sample, MemorySegment frame, int bytes) {
        FrameHeader header = header(sample, frame);
        KvBlock target =
                KvBlock.allocate(
                        sample.namespace.geometry(), header.firstPosition(), header.tokens());
        ChunkDecoder decoder = new ChunkDecoder(sample.namespace, sample.profile);
        decoder.begin(header);
        for (int i = 0; i < header.firstSegment(header.partsHeld(bytes)); i++) {
            int length = header.segments().get(i).bytes();
            decoder.accept(i, frame.asSlice(header.offset(i), length));
        }
        var _ = decoder.finish(target);
        return target;
    }

    /** Sums of products may round in another order: a unit in the last place of the largest. */
    private static void assertClose(Case sample, MemorySegment actual, MemorySegment recorded) {
        Dtype dtype = sample.namespace.geometry().dtype();
        float[] got = floats(actual.toArray(ValueLayout.JAVA_BYTE), dtype);
        float[] expected = floats(recorded.toArray(ValueLayout.JAVA_BYTE), dtype);
        assertThat(got).hasSameSizeAs(expected);
        float largest = 0;
        float error = 0;
        for (int i = 0; i < got.length; i++) {
            largest = Math.max(largest, Math.abs(expected[i]));
            error = Math.max(error, Math.abs(got[i] - expected[i]));
        }
        float unit =
                switch (dtype) {
                    case F16 -> 0x1p-10f;
                    case BF16 -> 0x1p-7f;
                    case F32 -> 0x1p-19f;
                };
        assertThat(error).as(sample.name).isLessThanOrEqualTo(unit * largest);
    }

    private static float[] floats(byte[] bytes, Dtype dtype) {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        float[] out = new float[bytes.length / dtype.bytes()];
        for (int i = 0; i < out.length; i++) {
            out[i] = dtype.toFloat(dtype == Dtype.F32 ? in.getInt(4 * i) : in.getShort(2 * i));
        }
        return out;
    }

    private static List<Case> cases() throws IOException {
        List<Case> out = new ArrayList<>();
        String json = Files.readString(PYTHON);
        for (String text : Pattern.compile("(?=\"name\":)").splitAsStream(json).toList()) {
            if (!text.startsWith("\"name\"")) {
                continue;
            }
            Namespace namespace = Namespace.parse(ByteBuffer.wrap(hex(text, "namespace")));
            if (namespace.kind() == Namespace.Kind.EXACT) {
                continue;
            }
            Geometry geometry = namespace.geometry();
            Profile profile =
                    text.replace(" ", "").contains("\"profile\":null")
                            ? DataFree.of(geometry)
                            : ProfileFile.read(hex(text, "profile"), geometry);
            List<Cut> cuts = new ArrayList<>();
            Matcher matcher = CUT.matcher(text);
            while (matcher.find()) {
                cuts.add(
                        new Cut(
                                Integer.parseInt(matcher.group(1)),
                                segment(matcher.group(2)),
                                segment(matcher.group(3))));
            }
            assertThat(cuts).isNotEmpty();
            out.add(
                    new Case(
                            string(text, "name"),
                            namespace,
                            profile,
                            segment(string(text, "frame")),
                            cuts));
        }
        return out;
    }

    private static MemorySegment segment(String hex) {
        return MemorySegment.ofArray(HexFormat.of().parseHex(hex));
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
