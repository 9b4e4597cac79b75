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

    /**
     * Rounding of one element, of its token's norm over K and V. An element is a float sum of up to
     * 64 products, which numpy, on each CPU, adds in an order of its own. Two orders differ by
     * about sqrt(64) roundings, each 2^-24 of the products' size: at most the norm times 4, the
     * condition number of the matrices in the vectors. The last place of the element itself comes
     * on top.
     */
    private static final double ORDER = 8 * 4 * 0x1p-24;

    private static final Pattern TOKENS = Pattern.compile("\"tokens\": ?\\[([^\\]]*)\\]");

    private record Cut(int bytes, MemorySegment keys, MemorySegment values) {}

    private record Case(
            String name,
            Namespace namespace,
            Profile profile,
            List<Integer> tokens,
            MemorySegment frame,
            List<Cut> cuts) {
        int[] tokenIds() {
            return tokens.stream().mapToInt(Integer::intValue).toArray();
        }
    }

    @Test
    void framesOfPython_atEveryCut_decodeToTheRecordedValues() throws IOException {
        List<Case> cases = cases();
        assertThat(cases).hasSizeGreaterThanOrEqualTo(5);
        for (Case sample : cases) {
            for (Cut cut : sample.cuts) {
                KvBlock decoded = decode(sample, sample.frame, cut.bytes);
                assertClose(sample, decoded, cut);
            }
        }
    }

    @Test
    void comparison_aRungLessOrAnElementAFewUnitsOff_seesIt() throws IOException {
        for (Case sample : cases()) {
            Cut whole = sample.cuts.getLast();
            KvBlock less = decode(sample, sample.frame, sample.cuts.getFirst().bytes);
            KvBlock off = decode(sample, sample.frame, whole.bytes);
            assertThat(far(sample, off, whole)).isZero();
            raiseLargest(off.values(), sample.namespace.geometry().dtype());
            assertThat(far(sample, off, whole)).as(sample.name).isEqualTo(1);
            assertThat(far(sample, less, whole)).as(sample.name).isGreaterThan(100);
        }
    }

    /** Adds 2^-6 of it to the element of the largest magnitude. */
    private static void raiseLargest(MemorySegment values, Dtype dtype) {
        float[] floats = floats(values.toArray(ValueLayout.JAVA_BYTE), dtype);
        int largest = 0;
        for (int i = 0; i < floats.length; i++) {
            largest = Math.abs(floats[i]) > Math.abs(floats[largest]) ? i : largest;
        }
        int bits = dtype.fromFloat(floats[largest] * (1 + 0x1p-6f));
        for (int i = 0; i < dtype.bytes(); i++) {
            long at = (long) largest * dtype.bytes() + i;
            values.set(ValueLayout.JAVA_BYTE, at, (byte) (bits >> (8 * i)));
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
                            whole.values,
                            sample.tokenIds());
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
        var _ = decoder.finish(target.withTokenIds(sample.tokenIds()));
        return target;
    }

    /** Every element within rounding of the recorded one: see {@link #ORDER}. */
    private static void assertClose(Case sample, KvBlock actual, Cut recorded) {
        assertThat(far(sample, actual, recorded)).as(sample.name).isZero();
    }

    /** How many elements are further from the recorded ones than rounding explains. */
    private static int far(Case sample, KvBlock actual, Cut recorded) {
        Geometry geometry = sample.namespace.geometry();
        Dtype dtype = geometry.dtype();
        float[][] got = floats(actual.keys(), actual.values(), dtype);
        float[][] expected = floats(recorded.keys, recorded.values, dtype);
        int width = geometry.kvHeads() * geometry.keyDim();
        assertThat(geometry.valueDim()).isEqualTo(geometry.keyDim());
        double[] squares = new double[actual.tokens()];
        for (float[] tensor : expected) {
            for (int i = 0; i < tensor.length; i++) {
                squares[i / width % squares.length] += (double) tensor[i] * tensor[i];
            }
        }
        double unit =
                switch (dtype) {
                    case F16 -> 0x1p-10;
                    case BF16 -> 0x1p-7;
                    case F32 -> 0x1p-23;
                };
        int far = 0;
        for (int side = 0; side < 2; side++) {
            assertThat(got[side]).hasSameSizeAs(expected[side]);
            for (int i = 0; i < got[side].length; i++) {
                double error = Math.abs((double) got[side][i] - expected[side][i]);
                double norm = Math.sqrt(squares[i / width % squares.length]);
                // Not "error > bound": a NaN is far, too.
                far += error <= unit * Math.abs(expected[side][i]) + ORDER * norm ? 0 : 1;
            }
        }
        return far;
    }

    private static float[][] floats(MemorySegment keys, MemorySegment values, Dtype dtype) {
        return new float[][] {
            floats(keys.toArray(ValueLayout.JAVA_BYTE), dtype),
            floats(values.toArray(ValueLayout.JAVA_BYTE), dtype)
        };
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
                            tokens(text),
                            segment(string(text, "frame")),
                            cuts));
        }
        return out;
    }

    private static List<Integer> tokens(String text) {
        Matcher matcher = TOKENS.matcher(text);
        assertThat(matcher.find()).isTrue();
        return Pattern.compile(", ?")
                .splitAsStream(matcher.group(1))
                .map(Integer::valueOf)
                .toList();
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
