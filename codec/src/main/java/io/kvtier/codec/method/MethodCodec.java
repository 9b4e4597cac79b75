package io.kvtier.codec.method;

import static io.kvtier.codec.error.CorruptChunkException.check;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * Codes chunks by a {@link Method}: a container with the rates, a section of side information for
 * each stage and the bytes of each plane. Stateless.
 *
 * <p>Layout, little-endian: magic u32, CRC32C u32 of all that follows, digest of the method's name
 * and of the geometry's shape (32 bytes each), firstPosition u32, tokens u32, rates, then for each
 * stage its section behind its length, then the planes, each with its shape.
 */
public final class MethodCodec {
    private static final int MAGIC = 0x314d564b; // "KVM1"
    private static final int TOKENS_MAX = 65535; // as of a block
    private static final int PLANES_MAX = 1 << 20;

    private final Method method;

    /** Codes by one method. */
    public MethodCodec(Method method) {
        this.method = method;
    }

    /**
     * What a container held.
     *
     * @param rates say which tokens each head kept; the others are 0 in {@code kv}
     */
    public record Decoded(DenseKv kv, RateMap rates) {}

    /** The bytes of a chunk, everything a decoder needs but method and geometry. */
    public byte[] encode(DenseKv kv, RateMap rates) {
        Chunk chunk = new Chunk(kv.geometry(), kv.firstPosition(), kv.tokens(), rates);
        SideWriter out = new SideWriter();
        for (Digest digest : digests(kv.geometry())) {
            out.bytes(digest.toBytes());
        }
        out.u32(kv.firstPosition());
        out.u32(kv.tokens());
        rates.write(out);
        Planes planes = planes(kv);
        for (Stage stage : method.stages()) {
            SideWriter side = new SideWriter();
            planes = stage.encode(planes, chunk, side);
            out.bytes(side.toBytes());
        }
        List<Plane<byte[]>> coded = planes.bytes();
        out.varint(coded.size());
        for (Plane<byte[]> plane : coded) {
            writeShape(plane.shape(), out);
            out.bytes(plane.data());
        }
        byte[] body = out.toBytes();
        SideWriter whole = new SideWriter();
        whole.u32(MAGIC);
        whole.u32(checksum(body));
        byte[] head = whole.toBytes();
        byte[] bytes = Arrays.copyOf(head, head.length + body.length);
        System.arraycopy(body, 0, bytes, head.length, body.length);
        return bytes;
    }

    /**
     * The chunk of a container.
     *
     * @param geometry of the chunk, known beforehand
     * @throws io.kvtier.codec.error.CorruptChunkException for any bytes that {@link #encode} cannot
     *     have made
     */
    public Decoded decode(byte[] bytes, Geometry geometry) {
        check(bytes.length >= 8, "bytes of a container", "at least 8", bytes.length);
        SideReader head = new SideReader(Arrays.copyOf(bytes, 8));
        int magic = head.u32();
        check(magic == MAGIC, "magic of a container", MAGIC, magic);
        byte[] body = Arrays.copyOfRange(bytes, 8, bytes.length);
        int expected = head.u32();
        check(checksum(body) == expected, "checksum of a container", expected, checksum(body));
        SideReader in = new SideReader(body);
        for (Digest digest : digests(geometry)) {
            byte[] got = in.bytes();
            boolean same = Arrays.equals(got, digest.toBytes());
            check(same, "method or geometry of a container", digest, "another");
        }
        int firstPosition = in.u32();
        int tokens = in.u32();
        check(firstPosition >= 0, "firstPosition", "at least 0", firstPosition);
        check(tokens >= 1 && tokens <= TOKENS_MAX, "tokens", "1.." + TOKENS_MAX, tokens);
        Chunk chunk =
                new Chunk(geometry, firstPosition, tokens, RateMap.read(geometry, tokens, in));
        List<SideReader> sides = new ArrayList<>();
        for (int i = 0; i < method.stages().size(); i++) {
            sides.add(new SideReader(in.bytes()));
        }
        int count = in.varint();
        check(count <= PLANES_MAX, "planes of a container", "up to " + PLANES_MAX, count);
        List<Plane<byte[]>> coded = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            coded.add(new Plane<>(readShape(geometry, in), in.bytes()));
        }
        in.end();
        Planes planes = new Planes.Bytes(coded);
        for (int i = method.stages().size() - 1; i >= 0; i--) {
            planes = method.stages().get(i).decode(planes, chunk, sides.get(i));
            sides.get(i).end();
        }
        return new Decoded(dense(planes, chunk), chunk.rates());
    }

    private List<Digest> digests(Geometry geometry) {
        return List.of(Digest.sha256(name().getBytes(UTF_8)), geometry.shapeDigest());
    }

    private String name() {
        List<String> stages = method.stages().stream().map(Stage::name).toList();
        return method.name() + ": " + String.join(" | ", stages);
    }

    /** One plane for each layer's keys and one for its values, all heads side by side. */
    static Planes planes(DenseKv kv) {
        List<Plane<float[]>> out = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            float[][] layers = kv.plane(kind);
            int columns = kv.geometry().kvHeads() * kv.dim(kind);
            for (int layer = 0; layer < layers.length; layer++) {
                Plane.Shape shape = new Plane.Shape(kind, layer, -1, kv.tokens(), columns, 0);
                out.add(new Plane<>(shape, layers[layer]));
            }
        }
        return new Planes.Floats(out);
    }

    private static DenseKv dense(Planes planes, Chunk chunk) {
        DenseKv out = DenseKv.zeros(chunk.geometry(), chunk.firstPosition(), chunk.tokens());
        int filled = 0;
        for (Plane<float[]> plane : planes.floats()) {
            float[] to = out.plane(plane.shape().kind())[plane.shape().layer()];
            boolean whole = plane.shape().head() == -1 && plane.data().length == to.length;
            check(whole, "decoded plane", to.length + " elements of all heads", plane.shape());
            System.arraycopy(plane.data(), 0, to, 0, to.length);
            filled++;
        }
        int expected = 2 * out.keys().length;
        check(filled == expected, "decoded planes", expected, filled);
        return out;
    }

    private static void writeShape(Plane.Shape shape, SideWriter out) {
        out.u8(shape.kind().ordinal());
        out.varint(shape.layer());
        out.varint(shape.head() + 1);
        out.varint(shape.rows());
        out.varint(shape.columns());
        out.varint(shape.levels());
    }

    private static Plane.Shape readShape(Geometry geometry, SideReader in) {
        int kind = in.u8();
        int layer = in.varint();
        int head = in.varint() - 1;
        int rows = in.varint();
        int columns = in.varint();
        int levels = in.varint();
        int layers = geometry.storedLayers().size();
        check(kind <= 1, "kind of a plane", "0 or 1", kind);
        check(layer < layers, "layer of a plane", "below " + layers, layer);
        check(head < geometry.kvHeads(), "head of a plane", "below the KV heads", head);
        check((long) rows * columns <= 1 << 28, "elements of a plane", "up to 2^28", rows);
        check(levels <= 1 << 16, "levels of a plane", "up to 2^16", levels);
        return new Plane.Shape(Kind.values()[kind], layer, head, rows, columns, levels);
    }

    private static int checksum(byte[] body) {
        CRC32C crc = new CRC32C();
        crc.update(body);
        return (int) crc.getValue();
    }
}
