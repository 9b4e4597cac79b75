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
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Moves groups between a block and floats, undoing and applying RoPE: channel w of token t at
 * {@code t·stride + w}, channels in the order of docs/format.md section 3.1. Reusable, not
 * thread-safe.
 */
final class Groups {
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat F32 =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final VectorSpecies<Float> WIDE = FloatVector.SPECIES_PREFERRED;

    private final Geometry geometry;
    private final int[] storedIndex;
    private final Map<Rope, Rotation> rotations = new HashMap<>();
    private short[] halves = new short[0];

    Groups(Geometry geometry) {
        this.geometry = geometry;
        storedIndex = new int[geometry.layers()];
        List<Integer> stored = geometry.storedLayers();
        for (int i = 0; i < stored.size(); i++) {
            storedIndex[stored.get(i)] = i;
        }
    }

    /** Reads a group with RoPE undone; refuses NaN and infinity, saying where. */
    void gather(KvBlock block, ProfileGroup group, float[] x, int stride) {
        forEachPart(
                group,
                part -> {
                    read(block, part, x, stride);
                    rotate(block, part, x, stride, 0, block.tokens(), false);
                });
    }

    /** Writes tokens [from, end) of a group with RoPE applied, rounded to the dtype. */
    void scatter(KvBlock block, ProfileGroup group, float[] x, int stride, int from, int end) {
        forEachPart(
                group,
                part -> {
                    rotate(block, part, x, stride, from, end, true);
                    write(block, part, x, stride, from, end);
                });
    }

    /** Copies token 0 of a group as it is, in row order: out of the block, or into it. */
    void copyRaw(KvBlock block, ProfileGroup group, MemorySegment raw, boolean intoBlock) {
        long bytes = geometry.dtype().bytes();
        forEachPart(
                group,
                part -> {
                    long size = part.dim * bytes;
                    for (int i = 0; i < part.heads.length; i++) {
                        MemorySegment there =
                                raw.asSlice((part.channel + (long) i * part.dim) * bytes, size);
                        MemorySegment here =
                                tensor(block, part).asSlice(offset(block, part, i, 0), size);
                        if (intoBlock) {
                            here.copyFrom(there);
                        } else {
                            there.copyFrom(here);
                        }
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

    /** Keys or values of a layer in a group. */
    @SuppressWarnings("ArrayRecordComponent") // the group's heads, lent and never compared
    private record PartOfGroup(int layer, boolean keys, int[] heads, int dim, int channel) {
        int channels() {
            return heads.length * dim;
        }
    }

    private interface PartAction {
        void accept(PartOfGroup part);
    }

    private void forEachPart(ProfileGroup group, PartAction action) {
        int[] heads = group.heads();
        int channel = 0;
        for (int layer : group.layers()) {
            for (int kind = 0; kind < 2; kind++) {
                int dim = kind == 0 ? geometry.keyDim() : geometry.valueDim();
                if (dim > 0) {
                    action.accept(new PartOfGroup(layer, kind == 0, heads, dim, channel));
                }
                channel += heads.length * dim;
            }
        }
    }

    private void rotate(
            KvBlock block,
            PartOfGroup part,
            float[] x,
            int stride,
            int from,
            int end,
            boolean apply) {
        if (!part.keys || !isRotated(part.layer)) {
            return;
        }
        Rotation rotation = rotation(part.layer);
        rotation.begin(block.firstPosition(), block.tokens());
        for (int t = from; t < end; t++) {
            for (int i = 0; i < part.heads.length; i++) {
                rotation.rotate(x, t * stride + part.channel + i * part.dim, t, apply);
            }
        }
    }

    private Rotation rotation(int layer) {
        return rotations.computeIfAbsent(geometry.ropeOf(layer), Rotation::new);
    }

    private MemorySegment tensor(KvBlock block, PartOfGroup part) {
        return part.keys ? block.keys() : block.values();
    }

    /** Bytes before the part's i-th head at a token. */
    private long offset(KvBlock block, PartOfGroup part, int i, int token) {
        long row = (long) storedIndex[part.layer] * block.tokens() + token;
        return (row * geometry.kvHeads() + part.heads[i]) * part.dim * geometry.dtype().bytes();
    }

    private void read(KvBlock block, PartOfGroup part, float[] x, int stride) {
        MemorySegment tensor = tensor(block, part);
        int channels = part.channels();
        boolean finite = true;
        reserve(channels);
        for (int t = 0; t < block.tokens(); t++) {
            int at = t * stride + part.channel;
            for (int i = 0; i < part.heads.length; i++) {
                long from = offset(block, part, i, t);
                int to = i * part.dim;
                if (geometry.dtype() == Dtype.F32) {
                    MemorySegment.copy(tensor, F32, from, x, at + to, part.dim);
                } else {
                    MemorySegment.copy(tensor, U16, from, halves, to, part.dim);
                }
            }
            widen(x, at, channels);
            finite &= areFinite(x, at, channels);
        }
        if (!finite) {
            refuse(block, part, x, stride);
        }
    }

    private void widen(float[] x, int at, int channels) {
        if (geometry.dtype() == Dtype.F16) {
            for (int i = 0; i < channels; i++) {
                x[at + i] = Float.float16ToFloat(halves[i]);
            }
        } else if (geometry.dtype() == Dtype.BF16) {
            for (int i = 0; i < channels; i++) {
                x[at + i] = Float.intBitsToFloat(halves[i] << 16);
            }
        }
    }

    private static boolean areFinite(float[] x, int at, int count) {
        FloatVector sum = FloatVector.zero(WIDE);
        int wide = WIDE.loopBound(count);
        for (int i = 0; i < wide; i += WIDE.length()) {
            // not finite once a value is not
            sum = sum.add(FloatVector.fromArray(WIDE, x, at + i).mul(0));
        }
        boolean finite = sum.eq(0).allTrue();
        for (int i = wide; i < count; i++) {
            finite &= Float.isFinite(x[at + i]);
        }
        return finite;
    }

    private void refuse(KvBlock block, PartOfGroup part, float[] x, int stride) {
        for (int t = 0; t < block.tokens(); t++) {
            for (int i = 0; i < part.channels(); i++) {
                float value = x[t * stride + part.channel + i];
                String where =
                        (part.keys ? "key" : "value")
                                + (" of layer " + part.layer + ", token " + t)
                                + (", head " + part.heads[i / part.dim])
                                + (", element " + i % part.dim);
                InvalidRequestException.check(
                        Float.isFinite(value),
                        where,
                        value,
                        "finite (an exact namespace takes it)");
            }
        }
    }

    private void write(KvBlock block, PartOfGroup part, float[] x, int stride, int from, int end) {
        MemorySegment tensor = tensor(block, part);
        int channels = part.channels();
        reserve(channels);
        for (int t = from; t < end; t++) {
            int at = t * stride + part.channel;
            narrow(x, at, channels);
            for (int i = 0; i < part.heads.length; i++) {
                long to = offset(block, part, i, t);
                if (geometry.dtype() == Dtype.F32) {
                    MemorySegment.copy(x, at + i * part.dim, tensor, F32, to, part.dim);
                } else {
                    MemorySegment.copy(halves, i * part.dim, tensor, U16, to, part.dim);
                }
            }
        }
    }

    private void narrow(float[] x, int at, int channels) {
        if (geometry.dtype() == Dtype.F16) {
            for (int i = 0; i < channels; i++) {
                halves[i] = Float.floatToFloat16(x[at + i]);
            }
        } else if (geometry.dtype() == Dtype.BF16) {
            for (int i = 0; i < channels; i++) {
                halves[i] = (short) Dtype.BF16.fromFloat(x[at + i]);
            }
        }
    }

    private void reserve(int channels) {
        if (halves.length < channels) {
            halves = new short[channels];
        }
    }
}
