package io.kvtier.integration;

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
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Frames whose bytes follow from a seed: a node verifies and serves them, nobody decodes them. */
final class StoredFrames {
    static final Namespace NAMESPACE =
            Namespace.adaptive(
                    Digest.sha256(new byte[] {42}),
                    Geometry.uniform(4, 4, 2, 64, Dtype.F16, Rope.rotateHalf(64, 10_000)));

    private static final List<Part> PARTS =
            List.of(
                    Part.BASE,
                    new Part(1, Span.TAIL),
                    new Part(2, Span.TAIL),
                    new Part(1, Span.HEAD));

    private StoredFrames() {}

    static int[] tokens(int chunks) {
        return tokens(chunks, chunks);
    }

    /** Another seed makes another prompt, without a common prefix. */
    static int[] tokens(int chunks, long seed) {
        return new Random(seed).ints(256L * chunks, 0, 50_000).toArray();
    }

    /** One encoding of all chunks of the tokens. */
    static List<byte[]> encoding(int[] tokens, long seed) {
        Random random = new Random(seed);
        List<byte[]> out = new ArrayList<>();
        List<Digest> keys = KeyChain.of(NAMESPACE, tokens);
        for (int chunk = 0; chunk < keys.size(); chunk++) {
            out.add(frame(keys.get(chunk), tokens, chunk, random));
        }
        return out;
    }

    /** The frame up to and with a count of parts. */
    static byte[] cut(byte[] frame, int parts) {
        return Arrays.copyOf(frame, Math.toIntExact(header(frame).cuts().get(parts - 1)));
    }

    static FrameHeader header(byte[] frame) {
        return FrameBytes.readHeader(MemorySegment.ofArray(frame), DecodeLimits.defaults());
    }

    private static byte[] frame(Digest key, int[] tokens, int chunk, Random random) {
        List<SegmentEntry> entries = new ArrayList<>();
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (int part = 0; part < PARTS.size(); part++) {
            for (int group = 0; group < 2; group++) {
                byte[] bytes = new byte[8000 + random.nextInt(8000)];
                random.nextBytes(bytes);
                body.writeBytes(bytes);
                Span span = PARTS.get(part).span();
                float error = 100f / (float) Math.pow(9, PARTS.get(part).rung());
                entries.add(
                        new SegmentEntry(
                                group * 2,
                                2,
                                0,
                                part,
                                bytes.length,
                                FrameBytes.crc32c(MemorySegment.ofArray(bytes)),
                                span.coversHead() ? error : 0,
                                span.coversTail() ? error / 7 : 0));
            }
        }
        FrameHeader header =
                new FrameHeader(
                        NAMESPACE.kind(),
                        NAMESPACE.geometry().decodedBytes(256),
                        key,
                        NAMESPACE.digest(),
                        Digest.sha256(new byte[] {7}),
                        KeyChain.tokenDigest(tokens, chunk * 256, 256),
                        chunk * 256,
                        256,
                        32,
                        4,
                        1,
                        Dtype.F16,
                        PARTS,
                        entries,
                        List.of());
        ByteArrayOutputStream frame = new ByteArrayOutputStream();
        frame.writeBytes(header.toBytes());
        frame.writeBytes(body.toByteArray());
        return frame.toByteArray();
    }
}
