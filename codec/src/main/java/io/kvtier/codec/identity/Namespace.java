package io.kvtier.codec.identity;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.InvalidRequestException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Everything that makes a KV byte what it is: two workers share chunks only if all of it is equal.
 * Its {@link #digest} is the parent of every first chunk key. Canonical bytes are in docs/format.md
 * section 1.
 *
 * @param kind lossy within a budget, or bit-exact
 * @param chunkTokens tokens of a full chunk
 * @param model SHA-256 that names the weights
 * @param adapter SHA-256 that names the LoRA, zeros for none
 * @param keyScheme {@link #KEY_SCHEME}, or a foreign chain whose ids serve as keys
 * @param layout empty for K and V tensors, else the engine's layout, backend and instruction set
 * @param geometry shape of the cache
 */
public record Namespace(
        Kind kind,
        int chunkTokens,
        Digest model,
        Digest adapter,
        String keyScheme,
        String layout,
        Geometry geometry) {
    /** The chain of {@link KeyChain}. */
    public static final String KEY_SCHEME = "kvtier-1";

    /** The longest canonical form that a reader takes. */
    public static final int BYTES_MAX = 64 << 10;

    /** Most tokens of a chunk. */
    public static final int CHUNK_TOKENS_MAX = 8192;

    private static final byte[] MAGIC = {'K', 'V', 'N', 'S'};
    private static final int VERSION = 1;
    private static final int STRING_BYTES_MAX = 255;

    /** How faithful the chunks of a namespace are. */
    public enum Kind {
        ADAPTIVE,
        EXACT
    }

    /** Checks ranges. */
    public Namespace {
        check(
                chunkTokens >= 1 && chunkTokens <= CHUNK_TOKENS_MAX,
                "chunkTokens",
                chunkTokens,
                "1.." + CHUNK_TOKENS_MAX);
        checkString("keyScheme", keyScheme, 1);
        checkString("layout", layout, 0);
        check(
                kind == Kind.EXACT || !geometry.isOpaque(),
                "namespace kind",
                kind,
                "EXACT for a geometry of kind " + geometry.kind());
    }

    /** Chunks of 256 tokens under our own keys, K and V as tensors, no adapter. */
    public static Namespace adaptive(Digest model, Geometry geometry) {
        return new Namespace(Kind.ADAPTIVE, 256, model, Digest.ZERO, KEY_SCHEME, "", geometry);
    }

    /** The same but bit-exact. */
    public Namespace exact() {
        return new Namespace(Kind.EXACT, chunkTokens, model, adapter, keyScheme, layout, geometry);
    }

    /** SHA-256 of the canonical bytes. */
    public Digest digest() {
        return Digest.sha256(toBytes());
    }

    /** Canonical bytes. */
    public byte[] toBytes() {
        byte[] scheme = keyScheme.getBytes(StandardCharsets.UTF_8);
        byte[] layoutBytes = layout.getBytes(StandardCharsets.UTF_8);
        byte[] shape = geometry.toBytes();
        ByteBuffer out =
                ByteBuffer.allocate(78 + scheme.length + layoutBytes.length + shape.length)
                        .order(ByteOrder.LITTLE_ENDIAN);
        out.put(MAGIC).putShort((short) VERSION).put((byte) kind.ordinal()).put((byte) 0);
        out.putShort((short) chunkTokens);
        model.write(out);
        adapter.write(out);
        out.putShort((short) scheme.length).put(scheme);
        out.putShort((short) layoutBytes.length).put(layoutBytes);
        return out.put(shape).array();
    }

    /**
     * Reads canonical bytes, which must be all of the buffer's remaining bytes.
     *
     * @throws InvalidRequestException for any other bytes, naming the field
     */
    public static Namespace parse(ByteBuffer bytes) {
        check(bytes.remaining() <= BYTES_MAX, "namespace bytes", bytes.remaining(), BYTES_MAX);
        ByteBuffer in = bytes.slice().order(ByteOrder.LITTLE_ENDIAN);
        try {
            Namespace namespace = read(in);
            check(!in.hasRemaining(), "bytes after the namespace", in.remaining(), 0);
            return namespace;
        } catch (BufferUnderflowException | IndexOutOfBoundsException e) {
            throw new InvalidRequestException(
                    "namespace ends after " + bytes.remaining() + " bytes, expected more");
        }
    }

    /** Names each field in which the other differs, with both values; empty when they are equal. */
    public List<String> differences(Namespace other) {
        List<String> out = new ArrayList<>();
        add(out, "kind", kind, other.kind);
        add(out, "chunkTokens", chunkTokens, other.chunkTokens);
        add(out, "model", model, other.model);
        add(out, "adapter", adapter, other.adapter);
        add(out, "keyScheme", keyScheme, other.keyScheme);
        add(out, "layout", layout, other.layout);
        Geometry g = geometry;
        Geometry o = other.geometry;
        add(out, "layers", g.layers(), o.layers());
        add(out, "queryHeads", g.queryHeads(), o.queryHeads());
        add(out, "kvHeads", g.kvHeads(), o.kvHeads());
        add(out, "keyDim", g.keyDim(), o.keyDim());
        add(out, "valueDim", g.valueDim(), o.valueDim());
        add(out, "dtype", g.dtype(), o.dtype());
        add(out, "geometry kind", g.kind(), o.kind());
        add(out, "opaqueBytes", g.opaqueBytes(), o.opaqueBytes());
        add(out, "ropes", g.ropes(), o.ropes());
        add(out, "ropeOf", g.ropeOf(), o.ropeOf());
        add(out, "kvSource", g.kvSource(), o.kvSource());
        add(out, "window", g.window(), o.window());
        return out;
    }

    private static void add(List<String> out, String field, Object mine, Object theirs) {
        if (!mine.equals(theirs)) {
            out.add(field + ": " + mine + " here, " + theirs + " there");
        }
    }

    private static Namespace read(ByteBuffer in) {
        byte[] magic = new byte[MAGIC.length];
        in.get(magic);
        check(
                java.util.Arrays.equals(magic, MAGIC),
                "namespace magic",
                new String(magic, StandardCharsets.ISO_8859_1),
                "KVNS");
        int version = Short.toUnsignedInt(in.getShort());
        check(version == VERSION, "namespace version", version, "1 (a newer peer wrote it?)");
        int kind = in.get();
        check(kind == 0 || kind == 1, "namespace kind", kind, "0 or 1");
        int reserved = in.get();
        check(reserved == 0, "reserved namespace field", reserved, 0);
        int chunkTokens = Short.toUnsignedInt(in.getShort());
        Digest model = Digest.read(in);
        Digest adapter = Digest.read(in);
        String scheme = readString(in);
        String layout = readString(in);
        return new Namespace(
                Kind.values()[kind],
                chunkTokens,
                model,
                adapter,
                scheme,
                layout,
                Geometry.read(in));
    }

    private static String readString(ByteBuffer in) {
        int length = Short.toUnsignedInt(in.getShort());
        check(length <= STRING_BYTES_MAX, "string bytes", length, "at most " + STRING_BYTES_MAX);
        byte[] bytes = new byte[length];
        in.get(bytes);
        String text = new String(bytes, StandardCharsets.UTF_8);
        check(
                java.util.Arrays.equals(text.getBytes(StandardCharsets.UTF_8), bytes),
                "string",
                "not UTF-8",
                "UTF-8");
        return text;
    }

    private static void checkString(String name, String value, int min) {
        int length = value.getBytes(StandardCharsets.UTF_8).length;
        check(
                length >= min && length <= STRING_BYTES_MAX,
                "bytes of " + name,
                length,
                min + ".." + STRING_BYTES_MAX);
    }
}
