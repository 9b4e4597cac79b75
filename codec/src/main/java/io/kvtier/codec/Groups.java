package io.kvtier.codec;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.profile.ProfileGroup;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Moves groups between a block and rows of floats, undoing and applying RoPE: channel w of token t
 * at {@code w·tokens + t}, channels in the order of docs/format.md section 3.1.
 */
final class Groups {
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt U32 =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final KvBlock block;
    private final Geometry geometry;
    private final int[] storedIndex;
    private final Map<Rope, Rotation> rotations = new HashMap<>();

    Groups(KvBlock block) {
        this.block = block;
        geometry = block.geometry();
        storedIndex = new int[geometry.layers()];
        List<Integer> stored = geometry.storedLayers();
        for (int i = 0; i < stored.size(); i++) {
            storedIndex[stored.get(i)] = i;
        }
    }

    /** Reads a group with RoPE undone; refuses NaN and infinity, saying where. */
    void gather(ProfileGroup group, float[] rows) {
        forEachHead(
                group,
                (layer, head, keys, row) -> {
                    read(layer, head, keys, rows, row * block.tokens());
                    if (keys) {
                        rotation(layer).rotate(rows, row * block.tokens(), block.tokens(), false);
                    }
                });
    }

    /** Writes tokens [from, end) of a group with RoPE applied, rounded to the dtype. */
    void scatter(ProfileGroup group, float[] rows, int from, int end) {
        forEachHead(
                group,
                (layer, head, keys, row) -> {
                    if (keys) {
                        rotation(layer).rotate(rows, row * block.tokens(), block.tokens(), true);
                    }
                    write(layer, head, keys, rows, row * block.tokens(), from, end);
                });
    }

    /** Copies token 0 of a group as it is, in row order: out of the block, or into it. */
    void copyRaw(ProfileGroup group, MemorySegment raw, boolean intoBlock) {
        int bytes = geometry.dtype().bytes();
        forEachHead(
                group,
                (layer, head, keys, row) -> {
                    int dim = dim(keys);
                    long at = offset(layer, head, keys, 0);
                    MemorySegment tensor = keys ? block.keys() : block.values();
                    MemorySegment there = raw.asSlice((long) row * bytes, (long) dim * bytes);
                    MemorySegment here = tensor.asSlice(at, (long) dim * bytes);
                    if (intoBlock) {
                        here.copyFrom(there);
                    } else {
                        there.copyFrom(here);
                    }
                });
    }

    /** Index of a layer among the stored ones. */
    int storedIndex(int layer) {
        return storedIndex[layer];
    }

    boolean isRotated(int layer) {
        return !rotation(layer).isNone();
    }

    private interface HeadAction {
        void accept(int layer, int head, boolean keys, int row);
    }

    private void forEachHead(ProfileGroup group, HeadAction action) {
        int[] heads = group.heads();
        int row = 0;
        for (int layer : group.layers()) {
            for (int kind = 0; kind < 2; kind++) {
                for (int head : heads) {
                    if (dim(kind == 0) > 0) {
                        action.accept(layer, head, kind == 0, row);
                    }
                    row += dim(kind == 0);
                }
            }
        }
    }

    private Rotation rotation(int layer) {
        return rotations.computeIfAbsent(
                geometry.ropeOf(layer),
                rope -> new Rotation(rope, block.firstPosition(), block.tokens()));
    }

    private int dim(boolean keys) {
        return keys ? geometry.keyDim() : geometry.valueDim();
    }

    private long offset(int layer, int head, boolean keys, int token) {
        long heads = ((long) storedIndex[layer] * block.tokens() + token) * geometry.kvHeads();
        return (heads + head) * dim(keys) * geometry.dtype().bytes();
    }

    private void read(int layer, int head, boolean keys, float[] rows, int at) {
        Dtype dtype = geometry.dtype();
        MemorySegment tensor = keys ? block.keys() : block.values();
        int tokens = block.tokens();
        int dim = dim(keys);
        float sum = 0;
        for (int t = 0; t < tokens; t++) {
            long from = offset(layer, head, keys, t);
            for (int i = 0; i < dim; i++) {
                float value = get(tensor, from, i, dtype);
                sum += value * 0; // not finite once a value is not
                rows[at + i * tokens + t] = value;
            }
        }
        if (sum != 0) {
            refuse(layer, head, keys, rows, at);
        }
    }

    private void refuse(int layer, int head, boolean keys, float[] rows, int at) {
        int tokens = block.tokens();
        for (int i = 0; i < dim(keys) * tokens; i++) {
            float value = rows[at + i];
            String where =
                    (keys ? "key" : "value")
                            + (" of layer " + layer + ", token " + i % tokens)
                            + (", head " + head + ", element " + i / tokens);
            InvalidRequestException.check(
                    Float.isFinite(value), where, value, "finite (an exact namespace takes it)");
        }
    }

    private void write(int layer, int head, boolean keys, float[] rows, int at, int from, int end) {
        Dtype dtype = geometry.dtype();
        MemorySegment tensor = keys ? block.keys() : block.values();
        int tokens = block.tokens();
        int dim = dim(keys);
        for (int t = from; t < end; t++) {
            long to = offset(layer, head, keys, t);
            for (int i = 0; i < dim; i++) {
                put(tensor, to, i, dtype, rows[at + i * tokens + t]);
            }
        }
    }

    private static float get(MemorySegment tensor, long at, int i, Dtype dtype) {
        return switch (dtype) {
            case F16 -> Float.float16ToFloat(tensor.get(U16, at + 2L * i));
            case BF16 -> Float.intBitsToFloat(tensor.get(U16, at + 2L * i) << 16);
            case F32 -> Float.intBitsToFloat(tensor.get(U32, at + 4L * i));
        };
    }

    private static void put(MemorySegment tensor, long at, int i, Dtype dtype, float value) {
        switch (dtype) {
            case F16 -> tensor.set(U16, at + 2L * i, Float.floatToFloat16(value));
            case BF16 -> tensor.set(U16, at + 2L * i, (short) dtype.fromFloat(value));
            case F32 -> tensor.set(U32, at + 4L * i, Float.floatToRawIntBits(value));
        }
    }
}
