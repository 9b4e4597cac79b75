package io.kvtier.codec.identity;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The shape of a model's KV cache: one record for MHA, GQA, MQA, shared layers (CLA, LCKV, YOCO by
 * {@code kvSource}), sliding windows, MLA latents, opaque engine blocks and states. Canonical bytes
 * are in docs/format.md section 1.
 *
 * @param queryHeads query heads a layer, a multiple of {@code kvHeads}
 * @param kvHeads key and value heads a layer
 * @param keyDim elements of one key head
 * @param valueDim elements of one value head
 * @param dtype of keys and values as the engine holds them
 * @param kind what the bytes are
 * @param opaqueBytes bytes of one layer of one full chunk when opaque or a state, else 0
 * @param ropes the distinct RoPE settings
 * @param ropeOf for each layer its index in {@code ropes}
 * @param kvSource for each layer the layer whose KV it reads; itself = it is stored
 * @param window for each layer its sliding window in tokens, −1 = full attention
 */
public record Geometry(
        int queryHeads,
        int kvHeads,
        int keyDim,
        int valueDim,
        Dtype dtype,
        Kind kind,
        int opaqueBytes,
        List<Rope> ropes,
        List<Integer> ropeOf,
        List<Integer> kvSource,
        List<Integer> window) {
    /** Most layers of a geometry. */
    public static final int LAYERS_MAX = 1024;

    private static final int HEADS_MAX = 4096;
    private static final int DIM_MAX = 8192;

    /** What the cached bytes are. */
    public enum Kind {
        ATTENTION,
        LATENT,
        OPAQUE,
        STATE
    }

    /** Checks every range and that each layer reads a stored one. */
    public Geometry {
        int layers = kvSource.size();
        check(layers >= 1 && layers <= LAYERS_MAX, "layers", layers, "1.." + LAYERS_MAX);
        check(ropeOf.size() == layers, "length of ropeOf", ropeOf.size(), layers);
        check(window.size() == layers, "length of window", window.size(), layers);
        check(kvHeads >= 1 && kvHeads <= HEADS_MAX, "kvHeads", kvHeads, "1.." + HEADS_MAX);
        check(
                queryHeads >= kvHeads && queryHeads <= 65535 && queryHeads % kvHeads == 0,
                "queryHeads",
                queryHeads,
                "a multiple of kvHeads = " + kvHeads);
        check(keyDim >= 1 && keyDim <= DIM_MAX, "keyDim", keyDim, "1.." + DIM_MAX);
        check(valueDim >= 0 && valueDim <= DIM_MAX, "valueDim", valueDim, "0.." + DIM_MAX);
        boolean opaque = kind == Kind.OPAQUE || kind == Kind.STATE;
        check(
                opaque ? opaqueBytes >= 1 && opaqueBytes <= 1 << 28 : opaqueBytes == 0,
                "opaqueBytes",
                opaqueBytes,
                opaque ? "1..2^28" : "0 unless opaque or a state");
        check(!ropes.isEmpty() && ropes.size() <= 255, "ropes", ropes.size(), "1..255");
        for (int layer = 0; layer < layers; layer++) {
            int rope = ropeOf.get(layer);
            int source = kvSource.get(layer);
            int tokens = window.get(layer);
            String at = "[" + layer + "]";
            check(
                    rope >= 0 && rope < ropes.size(),
                    "ropeOf" + at,
                    rope,
                    "0.." + (ropes.size() - 1));
            check(ropes.get(rope).rotaryDims() <= keyDim, "rotaryDims", ropes, "at most keyDim");
            check(
                    source >= 0 && source < layers && kvSource.get(source) == source,
                    "kvSource" + at,
                    source,
                    "a stored layer");
            check(tokens == -1 || tokens >= 1, "window" + at, tokens, "-1 or at least 1");
        }
        ropes = List.copyOf(ropes);
        ropeOf = List.copyOf(ropeOf);
        kvSource = List.copyOf(kvSource);
        window = List.copyOf(window);
    }

    /** Full attention in every layer, one RoPE for all, no sharing: Llama and most others. */
    public static Geometry uniform(
            int layers, int queryHeads, int kvHeads, int headDim, Dtype dtype, Rope rope) {
        return new Geometry(
                queryHeads,
                kvHeads,
                headDim,
                headDim,
                dtype,
                Kind.ATTENTION,
                0,
                List.of(rope),
                java.util.Collections.nCopies(layers, 0),
                IntStream.range(0, layers).boxed().collect(Collectors.toList()),
                java.util.Collections.nCopies(layers, -1));
    }

    /** Layers of the model, stored or not. */
    public int layers() {
        return kvSource.size();
    }

    /** The layers whose KV is stored, ascending. */
    public List<Integer> storedLayers() {
        return IntStream.range(0, layers()).filter(l -> kvSource.get(l) == l).boxed().toList();
    }

    /** RoPE of a layer. */
    public Rope ropeOf(int layer) {
        return ropes.get(ropeOf.get(layer));
    }

    /** Elements of K and V of one token over the stored layers. */
    public int elementsPerToken() {
        return Math.multiplyExact(storedLayers().size(), kvHeads * (keyDim + valueDim));
    }

    /** Whether the cached bytes are an engine's own layout or a state, not K and V tensors. */
    public boolean isOpaque() {
        return kind == Kind.OPAQUE || kind == Kind.STATE;
    }

    /** Whether a chunk stands for all tokens up to its end, and is of no use for any others. */
    public boolean isState() {
        return kind == Kind.STATE;
    }

    /** Bytes of K and V (or of the opaque layers) of a chunk with that many tokens. */
    public long decodedBytes(int tokens) {
        if (isOpaque()) {
            return (long) opaqueBytes * storedLayers().size();
        }
        return Math.multiplyExact((long) elementsPerToken() * dtype.bytes(), tokens);
    }

    /** The same with another dtype. */
    public Geometry withDtype(Dtype other) {
        return new Geometry(
                queryHeads,
                kvHeads,
                keyDim,
                valueDim,
                other,
                kind,
                opaqueBytes,
                ropes,
                ropeOf,
                kvSource,
                window);
    }

    /** SHA-256 of the canonical bytes with dtype 0: what a profile names. */
    public Digest shapeDigest() {
        return Digest.sha256(withDtype(Dtype.F16).toBytes());
    }

    /** Canonical bytes. */
    public byte[] toBytes() {
        int layers = layers();
        ByteBuffer out =
                ByteBuffer.allocate(17 + ropes.size() * Rope.BYTES + layers * 7)
                        .order(ByteOrder.LITTLE_ENDIAN);
        out.putShort((short) layers).putShort((short) queryHeads).putShort((short) kvHeads);
        out.putShort((short) keyDim).putShort((short) valueDim);
        out.put((byte) dtype.code()).put((byte) kind.ordinal()).putInt(opaqueBytes);
        out.put((byte) ropes.size());
        ropes.forEach(rope -> rope.write(out));
        ropeOf.forEach(i -> out.put(i.byteValue()));
        kvSource.forEach(i -> out.putShort(i.shortValue()));
        window.forEach(out::putInt);
        return out.array();
    }

    /** Reads canonical bytes from the buffer's position on (little-endian order), bounded. */
    static Geometry read(ByteBuffer in) {
        int layers = u16(in);
        check(layers >= 1 && layers <= LAYERS_MAX, "layers", layers, "1.." + LAYERS_MAX);
        int queryHeads = u16(in);
        int kvHeads = u16(in);
        int keyDim = u16(in);
        int valueDim = u16(in);
        Dtype dtype = Dtype.of(Byte.toUnsignedInt(in.get()));
        int kind = in.get();
        check(kind >= 0 && kind < Kind.values().length, "geometry kind", kind, "0..3");
        int opaqueBytes = in.getInt();
        int ropeCount = Byte.toUnsignedInt(in.get());
        List<Rope> ropes = new ArrayList<>();
        for (int i = 0; i < ropeCount; i++) {
            ropes.add(Rope.read(in));
        }
        List<Integer> ropeOf = new ArrayList<>();
        List<Integer> kvSource = new ArrayList<>();
        List<Integer> window = new ArrayList<>();
        for (int i = 0; i < layers; i++) {
            ropeOf.add(Byte.toUnsignedInt(in.get()));
        }
        for (int i = 0; i < layers; i++) {
            kvSource.add(u16(in));
        }
        for (int i = 0; i < layers; i++) {
            window.add(in.getInt());
        }
        return new Geometry(
                queryHeads,
                kvHeads,
                keyDim,
                valueDim,
                dtype,
                Kind.values()[kind],
                opaqueBytes,
                ropes,
                ropeOf,
                kvSource,
                window);
    }

    private static int u16(ByteBuffer in) {
        return Short.toUnsignedInt(in.getShort());
    }
}
