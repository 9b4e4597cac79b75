package io.kvtier.client;

import io.kvtier.codec.frame.DecodeLimits;
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
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Small frames, sound but for what is in their segments, which follows from a seed. */
final class SimFrames {
    static final int CHUNK_TOKENS = 8;
    static final Namespace NAMESPACE =
            new Namespace(
                    Namespace.Kind.ADAPTIVE,
                    CHUNK_TOKENS,
                    Digest.sha256(new byte[] {1}),
                    Digest.ZERO,
                    Namespace.KEY_SCHEME,
                    "",
                    Geometry.uniform(2, 2, 1, 8, Dtype.F16, Rope.rotateHalf(8, 10_000)));

    private static final int SEGMENT_BYTES = 24;
    private static final List<Part> PARTS = List.of(Part.BASE, new Part(1, Span.TAIL));

    private SimFrames() {}

    static int[] tokens(int chunks, long seed) {
        return new SplittableRandom(seed).ints((long) chunks * CHUNK_TOKENS, 0, 50_000).toArray();
    }

    static List<byte[]> of(int[] tokens, long seed) {
        List<Digest> keys = KeyChain.of(NAMESPACE, tokens);
        List<byte[]> out = new ArrayList<>();
        for (int chunk = 0; chunk < keys.size(); chunk++) {
            out.add(frame(keys.get(chunk), tokens, chunk, new SplittableRandom(seed + chunk)));
        }
        return out;
    }

    static FrameHeader header(byte[] frame) {
        return FrameBytes.readHeader(MemorySegment.ofArray(frame), DecodeLimits.defaults());
    }

    private static byte[] frame(Digest key, int[] tokens, int chunk, SplittableRandom random) {
        List<SegmentEntry> entries = new ArrayList<>();
        ByteBuffer body = ByteBuffer.allocate(2 * PARTS.size() * SEGMENT_BYTES);
        for (int part = 0; part < PARTS.size(); part++) {
            for (int layer = 0; layer < 2; layer++) {
                byte[] bytes = new byte[SEGMENT_BYTES];
                random.nextBytes(bytes);
                body.put(bytes);
                Span span = PARTS.get(part).span();
                float error = part == 0 ? 100 : 10;
                entries.add(
                        new SegmentEntry(
                                layer,
                                1,
                                0,
                                part,
                                bytes.length,
                                FrameBytes.crc32c(MemorySegment.ofArray(bytes)),
                                span.coversHead() ? error : 0,
                                span.coversTail() ? error : 0));
            }
        }
        FrameHeader header =
                new FrameHeader(
                        NAMESPACE.kind(),
                        NAMESPACE.geometry().decodedBytes(CHUNK_TOKENS),
                        key,
                        NAMESPACE.digest(),
                        Digest.sha256(new byte[] {2}),
                        KeyChain.tokenDigest(tokens, chunk * CHUNK_TOKENS, CHUNK_TOKENS),
                        chunk * CHUNK_TOKENS,
                        CHUNK_TOKENS,
                        CHUNK_TOKENS / 2,
                        2,
                        1,
                        NAMESPACE.geometry().dtype(),
                        PARTS,
                        entries,
                        List.of());
        byte[] head = header.toBytes();
        return ByteBuffer.allocate(head.length + body.capacity())
                .put(head)
                .put(body.array())
                .array();
    }
}
