package io.kvtier.benchmarks;

import io.kvtier.codec.entropy.GaussianTables;
import io.kvtier.codec.entropy.LaneDecoder;
import io.kvtier.codec.entropy.LaneEncoder;
import io.kvtier.codec.entropy.Rungs;
import io.kvtier.codec.entropy.TokenTables;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Symbols a second of one core: segments of 384 rows of 256 tokens, as one SmolLM2 layer has them,
 * with sigma/step falling from 4 to 0.1 over the rows.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@OperationsPerInvocation(RansBenchmark.ROWS * RansBenchmark.TOKENS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"-Xms512m", "-Xmx512m"})
public class RansBenchmark {
    static final int ROWS = 384;
    static final int TOKENS = 256;
    private static final int STRIDE = TOKENS + 32;

    /** Whether the tokens have classes of their own, or all the same table in a row. */
    @Param({"false", "true"})
    boolean classes;

    /** Vector API or one lane after the other. */
    @Param({"true", "false"})
    boolean vectors;

    private final TokenTables tokens = new TokenTables(TOKENS);
    private final int[] index = new int[ROWS];
    private final int[] coarse = new int[ROWS * STRIDE];
    private final int[] fine = new int[ROWS * STRIDE];
    private final int[] out = new int[ROWS * STRIDE];
    private LaneEncoder encoder = new LaneEncoder();
    private LaneDecoder decoder = new LaneDecoder(false);
    private MemorySegment base = MemorySegment.NULL;
    private MemorySegment refinement = MemorySegment.NULL;

    /** Draws the rows and encodes them. */
    @Setup
    public void setUp() {
        Random random = new Random(1);
        tokens.reset(TOKENS);
        for (int t = 0; classes && t < TOKENS; t++) {
            tokens.setClass(t, random.nextInt(5) - 2);
        }
        for (int row = 0; row < ROWS; row++) {
            index[row] = GaussianTables.index(4 * Math.pow(0.025, row / (ROWS - 1.0)));
            for (int t = 0; t < TOKENS; t++) {
                double sigma = Math.pow(2, (tokens.table(t, index[row]) - 24) / 4.0);
                int q = (int) Math.round(3 * sigma * random.nextGaussian());
                fine[row * STRIDE + t] = q;
                coarse[row * STRIDE + t] = Rungs.coarser(q);
            }
        }
        decoder = new LaneDecoder(vectors);
        base = MemorySegment.ofArray(bytes(encodeBase()));
        refinement = MemorySegment.ofArray(bytes(encodeRefinement()));
    }

    /** Decodes a base. */
    @Benchmark
    public int[] decodeBase() {
        decoder.begin(base);
        for (int row = 0; row < ROWS; row++) {
            decoder.row(index[row], tokens, out, row * STRIDE);
        }
        decoder.finish();
        return out;
    }

    /** Decodes a refinement of rung 1 onto a copy of the base. */
    @Benchmark
    public int[] decodeRefinement() {
        System.arraycopy(coarse, 0, out, 0, out.length);
        decoder.begin(refinement);
        for (int row = 0; row < ROWS; row++) {
            decoder.refine(index[row] + Rungs.shift(0), tokens, out, row * STRIDE);
        }
        decoder.finish();
        return out;
    }

    /** Encodes a base. */
    @Benchmark
    public ByteBuffer encodeBase() {
        encoder.begin(32, 1);
        for (int row = 0; row < ROWS; row++) {
            encoder.row(index[row], tokens, coarse, row * STRIDE);
        }
        return encoder.finish();
    }

    /** Encodes a refinement of rung 1. */
    @Benchmark
    public ByteBuffer encodeRefinement() {
        encoder.begin(32, 1);
        for (int row = 0; row < ROWS; row++) {
            encoder.refine(index[row] + Rungs.shift(0), tokens, coarse, fine, row * STRIDE);
        }
        return encoder.finish();
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }
}
