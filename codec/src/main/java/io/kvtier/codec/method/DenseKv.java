package io.kvtier.codec.method;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.KvBlock;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Keys and values of a run of tokens as floats: for each stored layer an array {@code [tokens,
 * kvHeads, dim]}, keys after RoPE. The arrays are lent; nobody writes into those of another.
 *
 * @param firstPosition position of the first token in its sequence
 * @param tokenIds of the tokens; empty = not known
 */
@SuppressWarnings("ArrayRecordComponent") // megabytes, lent
public record DenseKv(
        Geometry geometry,
        int firstPosition,
        int tokens,
        int[] tokenIds,
        float[][] keys,
        float[][] values) {
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Checks the shapes. */
    public DenseKv {
        check(tokens >= 1, "tokens", tokens, "at least 1");
        int layers = geometry.storedLayers().size();
        checkShape("keys", keys, layers, tokens * geometry.kvHeads() * geometry.keyDim());
        checkShape("values", values, layers, tokens * geometry.kvHeads() * geometry.valueDim());
        check(
                tokenIds.length == 0 || tokenIds.length == tokens,
                "token ids",
                tokenIds.length,
                "none or " + tokens);
    }

    /** A copy of a block, refusing NaN and infinity with their place. */
    public static DenseKv of(KvBlock block) {
        return new DenseKv(
                block.geometry(),
                block.firstPosition(),
                block.tokens(),
                block.tokenIds(),
                floats(Kind.KEYS, block.keys(), block),
                floats(Kind.VALUES, block.values(), block));
    }

    /** Zeros of a shape. */
    public static DenseKv zeros(Geometry geometry, int firstPosition, int tokens) {
        int layers = geometry.storedLayers().size();
        int width = tokens * geometry.kvHeads();
        return new DenseKv(
                geometry,
                firstPosition,
                tokens,
                new int[0],
                new float[layers][width * geometry.keyDim()],
                new float[layers][width * geometry.valueDim()]);
    }

    /** Keys or values by layer. */
    public float[][] plane(Kind kind) {
        return kind == Kind.KEYS ? keys : values;
    }

    /** Elements of one head of one token. */
    public int dim(Kind kind) {
        return kind == Kind.KEYS ? geometry.keyDim() : geometry.valueDim();
    }

    /** Elements of keys and values together. */
    public long elements() {
        return (long) geometry.elementsPerToken() * tokens;
    }

    /** Writes it into a block of the same shape, rounded to the block's dtype. */
    public void writeTo(KvBlock block) {
        check(block.tokens() == tokens, "tokens of the block", block.tokens(), tokens);
        write(keys, block.keys(), block.geometry().dtype());
        write(values, block.values(), block.geometry().dtype());
    }

    private static void write(float[][] from, MemorySegment to, Dtype dtype) {
        long at = 0;
        for (float[] layer : from) {
            for (float x : layer) {
                int bits = dtype.fromFloat(x);
                if (dtype.bytes() == 2) {
                    to.set(SHORT, at, (short) bits);
                } else {
                    to.set(INT, at, bits);
                }
                at += dtype.bytes();
            }
        }
    }

    private static float[][] floats(Kind kind, MemorySegment from, KvBlock block) {
        Geometry geometry = block.geometry();
        Dtype dtype = geometry.dtype();
        int dim = kind == Kind.KEYS ? geometry.keyDim() : geometry.valueDim();
        float[][] out = new float[geometry.storedLayers().size()][];
        long at = 0;
        for (int layer = 0; layer < out.length; layer++) {
            float[] x = new float[block.tokens() * geometry.kvHeads() * dim];
            for (int i = 0; i < x.length; i++, at += dtype.bytes()) {
                int bits = dtype.bytes() == 2 ? from.get(SHORT, at) & 0xffff : from.get(INT, at);
                x[i] = dtype.toFloat(bits);
                if (!Float.isFinite(x[i])) {
                    String place = kind + " of layer " + layer + ", element " + i;
                    check(false, place, x[i], "a finite number");
                }
            }
            out[layer] = x;
        }
        return out;
    }

    private static void checkShape(String what, float[][] x, int layers, int elements) {
        check(x.length == layers, "layers of " + what, x.length, layers);
        for (float[] layer : x) {
            check(layer.length == elements, "elements of " + what, layer.length, elements);
        }
    }
}
