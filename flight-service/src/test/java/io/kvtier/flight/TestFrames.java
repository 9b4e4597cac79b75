package io.kvtier.flight;

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
import java.util.SplittableRandom;

/** Frames of a small model: headers as they should be, segments of random bytes. */
final class TestFrames {
    static final int CHUNK_TOKENS = 64;
    static final int TAIL_TOKENS = 32;
    static final int LAYERS = 4;

    private static final List<Part> PARTS =
            List.of(
                    Part.BASE,
                    new Part(1, Span.TAIL),
                    new Part(2, Span.TAIL),
                    new Part(1, Span.HEAD));

    private TestFrames() {}

    static Namespace namespace(int model) {
        Geometry geometry =
                Geometry.uniform(LAYERS, 4, 2, 8, Dtype.F16, Rope.rotateHalf(8, 10_000));
        return new Namespace(
                Namespace.Kind.ADAPTIVE,
                CHUNK_TOKENS,
                Digest.sha256(new byte[] {(byte) model}),
                Digest.ZERO,
                Namespace.KEY_SCHEME,
                "",
                geometry);
    }

    static int[] tokens(int chunks) {
        return new SplittableRandom(7).ints((long) chunks * CHUNK_TOKENS, 0, 50_000).toArray();
    }

    /** One frame a chunk; another seed makes another encoding of the same keys. */
    static List<byte[]> frames(Namespace namespace, int[] tokens, long seed, int segmentBytes) {
        List<Digest> keys = KeyChain.of(namespace, tokens);
        List<byte[]> out = new ArrayList<>();
        for (int i = 0; i < keys.size(); i++) {
            SplittableRandom random = new SplittableRandom(seed * 1000 + i);
            out.add(frame(namespace, keys.get(i), tokens, i * CHUNK_TOKENS, random, segmentBytes));
        }
        return out;
    }

    static List<MemorySegment> segments(List<byte[]> frames) {
        return frames.stream().map(MemorySegment::ofArray).toList();
    }

    /** The frame cut after so many parts. */
    static byte[] cut(byte[] frame, int parts) {
        FrameHeader header = header(frame);
        return java.util.Arrays.copyOf(frame, header.cuts().get(parts - 1).intValue());
    }

    static FrameHeader header(byte[] frame) {
        return FrameBytes.readHeader(
                MemorySegment.ofArray(frame), io.kvtier.codec.frame.DecodeLimits.defaults());
    }

    private static byte[] frame(
            Namespace namespace,
            Digest key,
            int[] tokens,
            int first,
            SplittableRandom random,
            int segmentBytes) {
        List<SegmentEntry> entries = new ArrayList<>();
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (int part = 0; part < PARTS.size(); part++) {
            for (int group = 0; group < LAYERS; group += 2) {
                byte[] bytes = new byte[segmentBytes + random.nextInt(100)];
                random.nextBytes(bytes);
                body.writeBytes(bytes);
                entries.add(entry(part, group, bytes));
            }
        }
        FrameHeader header =
                new FrameHeader(
                        namespace.kind(),
                        namespace.geometry().decodedBytes(CHUNK_TOKENS),
                        key,
                        namespace.digest(),
                        Digest.sha256(new byte[] {2}),
                        KeyChain.tokenDigest(tokens, first, CHUNK_TOKENS),
                        first,
                        CHUNK_TOKENS,
                        TAIL_TOKENS,
                        LAYERS,
                        1,
                        namespace.geometry().dtype(),
                        PARTS,
                        entries,
                        List.of());
        ByteArrayOutputStream frame = new ByteArrayOutputStream();
        frame.writeBytes(header.toBytes());
        frame.writeBytes(body.toByteArray());
        return frame.toByteArray();
    }

    private static SegmentEntry entry(int part, int group, byte[] bytes) {
        Span span = PARTS.get(part).span();
        float distortion = 1000f / (float) Math.pow(9, PARTS.get(part).rung());
        int crc = FrameBytes.crc32c(MemorySegment.ofArray(bytes));
        return new SegmentEntry(
                group,
                2,
                0,
                part,
                bytes.length,
                crc,
                span.coversHead() ? distortion : 0,
                span.coversTail() ? distortion : 0);
    }
}
