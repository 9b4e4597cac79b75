package io.kvtier.codec.testing;

import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.identity.Rope;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Fixed values of every kind, by name: what golden vectors are made of. */
public final class Samples {
    private Samples() {}

    /** The namespace of a name. */
    public static Namespace namespace(String name) {
        return Objects.requireNonNull(namespaces().get(name), name);
    }

    /** The header of a name. */
    public static FrameHeader header(String name) {
        return Objects.requireNonNull(headers().get(name), name);
    }

    /** SHA-256 of a name. */
    public static Digest digest(String name) {
        return Digest.sha256(name.getBytes(StandardCharsets.UTF_8));
    }

    /** Namespaces of every geometry kind, dtype and field. */
    public static Map<String, Namespace> namespaces() {
        Map<String, Namespace> out = new LinkedHashMap<>();
        Geometry small = Geometry.uniform(30, 9, 3, 64, Dtype.F16, Rope.rotateHalf(64, 100_000));
        out.put("adaptive, one RoPE", Namespace.adaptive(digest("model"), small));
        out.put("exact twin", Namespace.adaptive(digest("model"), small).exact());
        Rope llama =
                new Rope(
                        Rope.Style.ROTATE_HALF,
                        Rope.Scaling.LLAMA3,
                        128,
                        500_000,
                        List.of(8.0, 1.0, 4.0, 8192.0));
        out.put(
                "scaled RoPE, adapter, chunks of 16",
                new Namespace(
                        Namespace.Kind.ADAPTIVE,
                        16,
                        digest("model"),
                        digest("adapter"),
                        "vllm-sha256_cbor",
                        "",
                        Geometry.uniform(32, 32, 8, 128, Dtype.BF16, llama)));
        out.put("shared layers, windows, two RoPEs", mixed());
        Geometry latent =
                new Geometry(
                        16,
                        1,
                        576,
                        0,
                        Dtype.BF16,
                        Geometry.Kind.LATENT,
                        0,
                        List.of(Rope.none()),
                        List.of(0, 0),
                        List.of(0, 1),
                        List.of(-1, -1));
        out.put("latent", Namespace.adaptive(digest("latent"), latent));
        Geometry opaque =
                new Geometry(
                        8,
                        8,
                        64,
                        64,
                        Dtype.F16,
                        Geometry.Kind.OPAQUE,
                        4096,
                        List.of(Rope.none()),
                        List.of(0, 0),
                        List.of(0, 1),
                        List.of(-1, -1));
        out.put(
                "opaque, layout beyond ASCII",
                new Namespace(
                        Namespace.Kind.EXACT,
                        256,
                        digest("opaque"),
                        Digest.ZERO,
                        Namespace.KEY_SCHEME,
                        "cpu-blöcke/avx2",
                        opaque));
        return out;
    }

    private static Namespace mixed() {
        Rope near = Rope.rotateHalf(32, 10_000);
        Rope far =
                new Rope(Rope.Style.INTERLEAVED, Rope.Scaling.YARN, 16, 1e6, List.of(4.0, 4096.0));
        Geometry geometry =
                new Geometry(
                        8,
                        2,
                        32,
                        48,
                        Dtype.F32,
                        Geometry.Kind.ATTENTION,
                        0,
                        List.of(near, far),
                        List.of(0, 1, 0, 1),
                        List.of(0, 1, 0, 1),
                        List.of(1024, -1, 1024, -1));
        return Namespace.adaptive(digest("mixed"), geometry);
    }

    /** Headers of an adaptive, a short, a sparse and an exact chunk. */
    public static Map<String, FrameHeader> headers() {
        Map<String, FrameHeader> out = new LinkedHashMap<>();
        Part tail1 = new Part(1, Span.TAIL);
        Part tail2 = new Part(2, Span.TAIL);
        Part head1 = new Part(1, Span.HEAD);
        out.put("default parts", header(64, List.of(Part.BASE, tail1, tail2, head1), List.of()));
        out.put("tail only", header(20, List.of(Part.BASE, tail1, tail2), List.of()));
        out.put(
                "two rungs of all",
                header(64, List.of(Part.BASE, new Part(1, Span.ALL)), List.of()));
        out.put("dropped tokens", header(10, List.of(Part.BASE), List.of((byte) 0x7f, (byte) 3)));
        out.put("exact", exactHeader());
        return out;
    }

    private static FrameHeader header(int tokens, List<Part> parts, List<Byte> coverage) {
        Namespace namespace = Frames.namespace();
        int[] ids = tokens(tokens);
        List<SegmentEntry> segments = new ArrayList<>();
        for (int part = 0; part < parts.size(); part++) {
            for (int layer = 0; layer < 4; layer += 2) {
                for (int head = 0; head < 2; head++) {
                    segments.add(segment(parts.get(part), layer, head, part));
                }
            }
        }
        return new FrameHeader(
                namespace.kind(),
                namespace.geometry().decodedBytes(tokens),
                KeyChain.next(namespace.digest(), ids, 0, tokens, new byte[0]),
                namespace.digest(),
                digest("profile"),
                KeyChain.tokenDigest(ids, 0, tokens),
                512,
                tokens,
                32,
                4,
                2,
                namespace.geometry().dtype(),
                parts,
                segments,
                coverage);
    }

    private static SegmentEntry segment(Part part, int layer, int head, int index) {
        byte[] bytes = segmentBytes(index, layer, head);
        float distortion = 90f / (float) Math.pow(9, part.rung());
        return new SegmentEntry(
                layer,
                2,
                head,
                index,
                bytes.length,
                FrameBytes.crc32c(MemorySegment.ofArray(bytes)),
                part.span().coversHead() ? distortion : 0,
                part.span().coversTail() ? distortion / 8 : 0);
    }

    private static byte[] segmentBytes(int part, int layer, int head) {
        byte[] out = new byte[24 + 8 * part + 2 * layer + head];
        for (int i = 0; i < out.length; i++) {
            out[i] = (byte) (31 * i + 7 * part + 3 * layer + head);
        }
        return out;
    }

    private static FrameHeader exactHeader() {
        Namespace namespace = Frames.namespace().exact();
        int[] ids = tokens(16);
        List<SegmentEntry> segments = new ArrayList<>();
        for (int layer = 0; layer < 4; layer++) {
            byte[] bytes = segmentBytes(0, layer, 0);
            int crc = FrameBytes.crc32c(MemorySegment.ofArray(bytes));
            segments.add(new SegmentEntry(layer, 1, 0, 0, bytes.length, crc, 0, 0));
        }
        return new FrameHeader(
                Namespace.Kind.EXACT,
                namespace.geometry().decodedBytes(16),
                KeyChain.next(namespace.digest(), ids, 0, 16, new byte[0]),
                namespace.digest(),
                Digest.ZERO,
                KeyChain.tokenDigest(ids, 0, 16),
                0,
                16,
                0,
                4,
                1,
                Dtype.F16,
                List.of(Part.BASE),
                segments,
                List.of());
    }

    /** The frame of a header of {@link #headers}. */
    public static byte[] frame(FrameHeader header) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(header.toBytes());
        for (SegmentEntry e : header.segments()) {
            out.writeBytes(segmentBytes(e.part(), e.firstLayerGroup(), e.headGroup()));
        }
        return out.toByteArray();
    }

    /** Token ids, small and large. */
    public static int[] tokens(int count) {
        int[] out = new int[count];
        for (int i = 0; i < count; i++) {
            out[i] = i * i * 977 % 128_256;
        }
        return out;
    }
}
