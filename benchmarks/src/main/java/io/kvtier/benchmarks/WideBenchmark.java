package io.kvtier.benchmarks;

import io.kvtier.codec.DecodedChunk;
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
 * Milliseconds of one core for a chunk of 256 tokens in the shape of Llama-3-8B (16.8 M elements,
 * f16), random, by profiles that are made up for it.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 3, time = 2)
@Fork(
        value = 1,
        jvmArgsAppend = {"-Xms3g", "-Xmx3g"})
public class WideBenchmark {
    /** Layers that a group spans, of one KV head: its width is 256 times that. */
    @Param({"1", "4"})
    int groupLayers;

    private @Nullable CodedChunk chunk;

    /** Makes profile and block, and encodes. */
    @Setup
    public void setUp() {
        SyntheticModel model = new SyntheticModel(groupLayers);
        chunk = new CodedChunk(model.profile(), model.block(256, 256));
        System.out.printf("%n# base %.3f, all %.3f bits an element%n", bits(1), bits(4));
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

    private double bits(int parts) {
        return chunk().bits(parts);
    }

    private CodedChunk chunk() {
        return Objects.requireNonNull(chunk, "set up");
    }
}
