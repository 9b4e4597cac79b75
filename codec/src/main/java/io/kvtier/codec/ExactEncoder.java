package io.kvtier.codec;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.exact.LayerCoder;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Namespace;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Encodes chunks of one exact namespace bit for bit, tensors of any dtype (NaN and infinity are
 * bits like any other) or opaque layers, into frames of one part (docs/format.md section 3.2). The
 * bytes depend on nothing but the arguments and the version of zstd. Reusable, not thread-safe;
 * holds heap scratch of about three layers.
 */
public final class ExactEncoder implements FrameCodec.Encoder {
    private static final int SEGMENT_BYTES_MIN = 16 << 10;

    private final Namespace namespace;
    private final Digest digest;
    private final int stored;
    private final LayerCoder coder = new LayerCoder();
    private byte[] raw = new byte[0];

    /** An encoder for a namespace of kind exact. */
    public ExactEncoder(Namespace namespace) {
        this.namespace = new FrameCodec.Exact(namespace).namespace();
        digest = namespace.digest();
        stored = namespace.geometry().storedLayers().size();
    }

    @Override
    public byte[] encode(Digest key, Digest tokenDigest, KvBlock block) {
        Geometry geometry = block.geometry();
        check(!geometry.isOpaque(), "geometry kind", geometry.kind(), "ATTENTION or LATENT");
        Chunk chunk = new Chunk(key, tokenDigest, block.firstPosition(), block.tokens());
        MemorySegment[] parts = {block.keys(), block.values()};
        return encode(chunk, geometry, parts, geometry.dtype().bytes());
    }

    /** The whole frame of opaque layers. */
    public byte[] encode(Digest key, Digest tokenDigest, OpaqueBlock block) {
        Geometry geometry = block.geometry();
        int bytes = geometry.dtype().bytes();
        Chunk chunk = new Chunk(key, tokenDigest, block.firstPosition(), block.tokens());
        MemorySegment[] parts = {block.layers()};
        return encode(chunk, geometry, parts, geometry.opaqueBytes() % bytes == 0 ? bytes : 1);
    }

    private record Chunk(Digest key, Digest tokenDigest, int firstPosition, int tokens) {}

    /** Each part holds a share of every layer, layer by layer; a layer's bytes are its shares. */
    private byte[] encode(Chunk chunk, Geometry geometry, MemorySegment[] parts, int elementBytes) {
        check(
                geometry.equals(namespace.geometry()),
                "block's geometry",
                geometry,
                "the namespace's");
        check(
                chunk.tokens <= namespace.chunkTokens(),
                "block's tokens",
                chunk.tokens,
                "at most " + namespace.chunkTokens());
        long bytes = geometry.decodedBytes(chunk.tokens);
        long max = DecodeLimits.defaults().decodedBytesMax();
        check(bytes <= max, "bytes of a chunk", bytes, "at most " + max + ": use shorter chunks");
        if (raw.length != bytes / stored) {
            raw = new byte[(int) (bytes / stored)];
        }
        List<SegmentEntry> entries = new ArrayList<>();
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        ByteArrayOutputStream segment = new ByteArrayOutputStream();
        int first = 0;
        for (int layer = 0; layer < stored; layer++) {
            gather(parts, layer);
            coder.encode(raw, elementBytes, segment);
            if (segment.size() >= SEGMENT_BYTES_MIN || layer == stored - 1) {
                byte[] data = segment.toByteArray();
                segment.reset();
                entries.add(entry(first, layer + 1 - first, data));
                body.writeBytes(data);
                first = layer + 1;
            }
        }
        byte[] header = header(chunk, bytes, entries).toBytes();
        ByteArrayOutputStream frame = new ByteArrayOutputStream(header.length + body.size());
        frame.writeBytes(header);
        frame.writeBytes(body.toByteArray());
        return frame.toByteArray();
    }

    private void gather(MemorySegment[] parts, int layer) {
        int at = 0;
        for (MemorySegment part : parts) {
            int share = (int) (part.byteSize() / stored);
            MemorySegment.copy(part, ValueLayout.JAVA_BYTE, (long) layer * share, raw, at, share);
            at += share;
        }
    }

    private static SegmentEntry entry(int first, int layers, byte[] data) {
        int crc = FrameBytes.crc32c(MemorySegment.ofArray(data));
        return new SegmentEntry(first, layers, 0, 0, data.length, crc, 0, 0);
    }

    private FrameHeader header(Chunk chunk, long decodedBytes, List<SegmentEntry> entries) {
        return new FrameHeader(
                Namespace.Kind.EXACT,
                decodedBytes,
                chunk.key,
                digest,
                Digest.ZERO,
                chunk.tokenDigest,
                chunk.firstPosition,
                chunk.tokens,
                0,
                stored,
                1,
                namespace.geometry().dtype(),
                List.of(Part.BASE),
                entries,
                List.of());
    }
}
