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
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Frames with valid headers and random segment bytes: for everything but decoding. */
public final class Frames {
    private Frames() {}

    /** A small model: 4 layers, 2 KV heads of 8. */
    public static Namespace namespace() {
        Geometry geometry = Geometry.uniform(4, 4, 2, 8, Dtype.F16, Rope.rotateHalf(8, 10_000));
        return Namespace.adaptive(Digest.sha256(new byte[] {1}), geometry);
    }

    /** A frame of the default parts for the tokens of one full first chunk. */
    public static byte[] frame(Namespace namespace, int[] tokens, Random random) {
        Digest key = KeyChain.next(namespace.digest(), tokens, 0, tokens.length, new byte[0]);
        List<Part> parts =
                List.of(
                        Part.BASE,
                        new Part(1, Span.TAIL),
                        new Part(2, Span.TAIL),
                        new Part(1, Span.HEAD));
        List<SegmentEntry> segments = new ArrayList<>();
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (int part = 0; part < parts.size(); part++) {
            for (int group = 0; group < 2; group++) {
                byte[] bytes = new byte[20 + random.nextInt(300)];
                random.nextBytes(bytes);
                Span span = parts.get(part).span();
                float distortion = 100f / (1 + 9 * parts.get(part).rung());
                segments.add(
                        new SegmentEntry(
                                group * 2,
                                2,
                                0,
                                part,
                                bytes.length,
                                FrameBytes.crc32c(MemorySegment.ofArray(bytes)),
                                span.coversHead() ? distortion : 0,
                                span.coversTail() ? distortion / 7 : 0));
                body.writeBytes(bytes);
            }
        }
        FrameHeader header =
                new FrameHeader(
                        namespace.kind(),
                        namespace.geometry().decodedBytes(tokens.length),
                        key,
                        namespace.digest(),
                        Digest.sha256(new byte[] {2}),
                        KeyChain.tokenDigest(tokens, 0, tokens.length),
                        0,
                        tokens.length,
                        32,
                        4,
                        1,
                        namespace.geometry().dtype(),
                        parts,
                        segments,
                        List.of());
        ByteArrayOutputStream frame = new ByteArrayOutputStream();
        frame.writeBytes(header.toBytes());
        frame.writeBytes(body.toByteArray());
        return frame.toByteArray();
    }
}
