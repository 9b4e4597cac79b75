package io.kvtier.benchmarks;

import io.kvtier.codec.ChunkDecoder;
import io.kvtier.codec.ChunkEncoder;
import io.kvtier.codec.DecodedChunk;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.profile.DataFree;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
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
 * Milliseconds of one core for a real chunk of 256 tokens of SmolLM2-135M (2.9 M elements, f16):
 * tokens 256 to 511 of examples/sample.
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
    private static final int FIRST_POSITION = 256;

    /** The profile: none, or a shipped one. */
    @Param({"data-free", "layer", "joint"})
    String profile = "";

    private final Geometry geometry = SampleCache.geometry();
    private final Namespace namespace = Namespace.adaptive(Digest.ZERO, geometry);
    private KvBlock block = KvBlock.allocate(geometry, FIRST_POSITION, TOKENS);
    private final KvBlock target = KvBlock.allocate(geometry, FIRST_POSITION, TOKENS);
    private ChunkEncoder encoder = new ChunkEncoder(namespace, DataFree.of(geometry));
    private ChunkDecoder decoder = new ChunkDecoder(namespace, DataFree.of(geometry));
    private MemorySegment frame = MemorySegment.NULL;

    /** Reads the block and the profile, and encodes. */
    @Setup
    public void setUp() throws IOException {
        block = new SampleCache().block(FIRST_POSITION, TOKENS);
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
        Path file = SampleCache.root().resolve("profiles/smollm2-135m-" + kind + ".kvp");
        return ProfileFile.read(Files.readAllBytes(file), geometry);
    }
}
