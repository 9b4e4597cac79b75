package io.kvtier.benchmarks;

import io.kvtier.codec.ChunkDecoder;
import io.kvtier.codec.ChunkEncoder;
import io.kvtier.codec.DecodedChunk;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.profile.DataFree;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileFile;
import io.kvtier.codec.profile.ProfileGroup;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Milliseconds of one core for a chunk of 256 tokens of SmolLM2-135M (2.9 M elements, f16), drawn
 * from the statistics of its layer profile.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 5, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(
        value = 1,
        jvmArgsAppend = {"-Xms2g", "-Xmx2g"})
public class ChunkBenchmark {
    private static final int TOKENS = 256;
    private static final int FIRST_POSITION = 1024;
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** The profile: none, or a shipped one. */
    @Param({"data-free", "layer", "joint"})
    String profile = "";

    private final Geometry geometry =
            Geometry.uniform(30, 9, 3, 64, Dtype.F16, Rope.rotateHalf(64, 100_000));
    private final Namespace namespace = Namespace.adaptive(Digest.ZERO, geometry);
    private final KvBlock block = KvBlock.allocate(geometry, FIRST_POSITION, TOKENS);
    private final KvBlock target = KvBlock.allocate(geometry, FIRST_POSITION, TOKENS);
    private ChunkEncoder encoder = new ChunkEncoder(namespace, DataFree.of(geometry));
    private ChunkDecoder decoder = new ChunkDecoder(namespace, DataFree.of(geometry));
    private MemorySegment frame = MemorySegment.NULL;

    /** Draws the block and encodes it. */
    @Setup
    public void setUp() throws IOException {
        draw(read("layer"));
        Profile used = profile.equals("data-free") ? DataFree.of(geometry) : read(profile);
        encoder = new ChunkEncoder(namespace, used);
        decoder = new ChunkDecoder(namespace, used);
        frame = MemorySegment.ofArray(encode());
    }

    /** Encodes all parts. */
    @Benchmark
    public byte[] encode() {
        return encoder.encode(Digest.ZERO, Digest.ZERO, block);
    }

    /** Decodes the base of all tokens. */
    @Benchmark
    public DecodedChunk decodeBase() {
        return decode(1);
    }

    /** Decodes every part: rung 1, and rung 2 of the tail. */
    @Benchmark
    public DecodedChunk decodeWhole() {
        return decode(4);
    }

    private DecodedChunk decode(int parts) {
        FrameHeader header = FrameBytes.readHeader(frame, DecodeLimits.defaults());
        decoder.begin(header);
        long at = header.headerBytes();
        for (int i = 0; i < header.firstSegment(parts); i++) {
            int bytes = header.segments().get(i).bytes();
            decoder.accept(i, frame.asSlice(at, bytes));
            at += bytes;
        }
        return decoder.finish(target);
    }

    private Profile read(String kind) throws IOException {
        Path file = Path.of("profiles", "smollm2-135m-" + kind + ".kvp");
        Path there = Files.exists(file) ? file : Path.of("..").resolve(file);
        return ProfileFile.read(Files.readAllBytes(there), geometry);
    }

    /** x = mean + Σ y·synthesis; RoPE is left out, since a rotated Gaussian is as likely. */
    private void draw(Profile statistics) {
        Random random = new Random(1);
        for (ProfileGroup group : statistics.groups()) {
            float[] x = new float[group.width()];
            for (int token = 0; token < TOKENS; token++) {
                System.arraycopy(group.mean(), 0, x, 0, x.length);
                for (int c = 0; c < group.rank(); c++) {
                    float y = (float) random.nextGaussian() * group.sigma()[c];
                    for (int w = 0; w < x.length; w++) {
                        x[w] += y * group.synthesis()[c * x.length + w];
                    }
                }
                store(group.layers()[0], token, x);
            }
        }
    }

    private void store(int layer, int token, float[] x) {
        int half = x.length / 2;
        long at = 2L * (layer * TOKENS + token) * half;
        for (int w = 0; w < half; w++) {
            block.keys().set(U16, at + 2L * w, Float.floatToFloat16(x[w]));
            block.values().set(U16, at + 2L * w, Float.floatToFloat16(x[half + w]));
        }
    }
}
