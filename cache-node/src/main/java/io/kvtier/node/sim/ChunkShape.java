package io.kvtier.node.sim;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ChunkDirectory;
import java.util.ArrayList;
import java.util.List;

/**
 * Directories of chunks as frames really have them: 256 tokens of SmolLM2-135M by the shipped joint
 * profile, and the same bits an element at the shape of a larger model.
 *
 * @param elementsPerToken of K and V, all layers
 */
public record ChunkShape(String model, int elementsPerToken) {
    /** 30 layers, 3 KV heads of 64. */
    public static final ChunkShape SMOLLM2 = new ChunkShape("smollm2-135m", 30 * 2 * 3 * 64);

    /** The shape of Llama-3-8B: 32 layers, 8 KV heads of 128. */
    public static final ChunkShape LLAMA3_8B = new ChunkShape("llama-3-8b", 32 * 2 * 8 * 128);

    private static final int TOKENS = 256;
    private static final int TAIL_TOKENS = 32;
    private static final int HEADER_BYTES = 740;

    private static final List<Part> PARTS =
            List.of(
                    Part.BASE,
                    new Part(1, Span.TAIL),
                    new Part(2, Span.TAIL),
                    new Part(1, Span.HEAD));

    /** Bytes of the four chunks of examples/sample/novel.safetensors, by part. */
    private static final int[][] BYTES = {
        {206_388, 25_066, 35_788, 197_578},
        {180_719, 27_346, 36_894, 197_546},
        {181_343, 25_894, 36_008, 202_244},
        {179_978, 28_754, 37_210, 200_402}
    };

    /** Squared error of heads at rung 0 and 1, and of tails at rung 0, 1 and 2. */
    private static final float[][] ERRORS = {
        {12_596.06f, 2174.64f, 1517.55f, 285.54f, 40.63f},
        {12_468.77f, 2178.54f, 1712.96f, 304.36f, 41.83f},
        {12_789.76f, 2218.42f, 1572.02f, 292.60f, 40.92f},
        {12_545.07f, 2196.36f, 1801.75f, 313.50f, 41.77f}
    };

    /**
     * The shape of a model.
     *
     * @throws InvalidRequestException for one that is not known
     */
    public static ChunkShape of(String model) {
        for (ChunkShape shape : List.of(SMOLLM2, LLAMA3_8B)) {
            if (shape.model.equals(model)) {
                return shape;
            }
        }
        throw new InvalidRequestException(
                "model is '" + model + "', expected " + SMOLLM2.model + " or " + LLAMA3_8B.model);
    }

    /** Directories of a prefix of so many chunks: the first as the first, others in turns. */
    public List<ChunkDirectory> chunks(int count) {
        List<ChunkDirectory> out = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int kind = i == 0 ? 0 : 1 + (i - 1) % 3;
            float[] error = ERRORS[kind];
            out.add(
                    new ChunkDirectory(
                            Digest.ZERO,
                            HEADER_BYTES,
                            i * TOKENS,
                            TOKENS,
                            TAIL_TOKENS,
                            PARTS.size(),
                            List.of(
                                    entry(kind, 0, error[0], error[2]),
                                    entry(kind, 1, 0, error[3]),
                                    entry(kind, 2, 0, error[4]),
                                    entry(kind, 3, error[1], 0))));
        }
        return out;
    }

    /** Bytes of a chunk's base, on average. */
    public long baseBytes() {
        return BYTES[1][0] * (long) elementsPerToken / SMOLLM2.elementsPerToken;
    }

    private ChunkDirectory.Entry entry(int kind, int part, float head, float tail) {
        float scale = (float) elementsPerToken / SMOLLM2.elementsPerToken;
        long bytes = (long) (BYTES[kind][part] * (double) scale);
        return new ChunkDirectory.Entry(PARTS.get(part), bytes, head * scale, tail * scale);
    }
}
