package io.kvtier.benchmarks;

import io.kvtier.codec.DecodedChunk;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.profile.DataFree;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
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
    private @Nullable CodedChunk chunk;

    /** Reads the block and the profile, and encodes. */
    @Setup
    public void setUp() throws IOException {
        Profile used = profile.equals("data-free") ? DataFree.of(geometry) : read(profile);
        chunk = new CodedChunk(used, new SampleCache().block(FIRST_POSITION, TOKENS));
    }

    /** Encodes all parts. */
    @Benchmark
    public byte[] encode() {
        return chunk().encode();
    }

    /** Decodes the base of all tokens. */
    @Benchmark
    public DecodedChunk decodeBase() {
        return chunk().decode(1);
    }

    /** Decodes every part: rung 1, and rung 2 of the tail. */
    @Benchmark
    public DecodedChunk decodeWhole() {
        return chunk().decode(4);
    }

    private CodedChunk chunk() {
        return Objects.requireNonNull(chunk, "set up");
    }

    private Profile read(String kind) throws IOException {
        Path file = SampleCache.root().resolve("profiles/smollm2-135m-" + kind + ".kvp");
        return ProfileFile.read(Files.readAllBytes(file), geometry);
    }
}
