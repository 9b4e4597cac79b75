package io.kvtier.codec.testing;

import io.kvtier.codec.ExactDecoder;
import io.kvtier.codec.ExactEncoder;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.OpaqueBlock;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Namespace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;

/** Exact chunks as the bytes of their layers, one behind the other, tensors and opaque alike. */
public final class ExactChunks {
    private ExactChunks() {}

    /**
     * Which chunk of a sequence.
     *
     * @param key of the chunk
     * @param tokenDigest of its tokens
     * @param firstPosition of its first token
     * @param tokens of the chunk
     */
    public record Place(Digest key, Digest tokenDigest, int firstPosition, int tokens) {
        /** The place that a frame names. */
        public static Place of(FrameHeader header) {
            return new Place(
                    header.key(), header.tokenDigest(), header.firstPosition(), header.tokens());
        }
    }

    /** The frame of a chunk's layers. */
    public static byte[] encode(Namespace namespace, ExactEncoder encoder, Place at, byte[] raw) {
        Geometry geometry = namespace.geometry();
        if (geometry.isOpaque()) {
            MemorySegment layers = MemorySegment.ofArray(raw);
            return encoder.encode(
                    at.key,
                    at.tokenDigest,
                    new OpaqueBlock(geometry, at.firstPosition, at.tokens, layers));
        }
        KvBlock block = KvBlock.allocate(geometry, at.firstPosition, at.tokens);
        int layers = geometry.storedLayers().size();
        ByteBuffer in = ByteBuffer.wrap(raw);
        for (int layer = 0; layer < layers; layer++) {
            for (MemorySegment tensor : new MemorySegment[] {block.keys(), block.values()}) {
                long bytes = tensor.byteSize() / layers;
                in.get(bytes(tensor), (int) (layer * bytes), (int) bytes);
            }
        }
        return encoder.encode(at.key, at.tokenDigest, block);
    }

    /** The layers of a whole frame, verified first. */
    public static byte[] decode(Namespace namespace, ExactDecoder decoder, byte[] frame) {
        MemorySegment bytes = MemorySegment.ofArray(frame);
        FrameHeader header =
                FrameBytes.verify(bytes, namespace, namespace.digest(), DecodeLimits.defaults());
        decoder.begin(header);
        for (int i = 0; i < header.segments().size(); i++) {
            decoder.accept(i, bytes.asSlice(header.offset(i), header.segments().get(i).bytes()));
        }
        return finish(namespace, decoder, header);
    }

    /** What has arrived at a decoder, zeros elsewhere. */
    public static byte[] finish(Namespace namespace, ExactDecoder decoder, FrameHeader header) {
        Geometry geometry = namespace.geometry();
        int first = header.firstPosition();
        if (geometry.isOpaque()) {
            OpaqueBlock target = OpaqueBlock.allocate(geometry, first, header.tokens());
            int _ = decoder.finish(target);
            return target.layers().toArray(ValueLayout.JAVA_BYTE);
        }
        KvBlock target = KvBlock.allocate(geometry, first, header.tokens());
        var _ = decoder.finish(target);
        return layers(namespace, bytes(target.keys()), bytes(target.values()));
    }

    /** Layers of K and V: each layer's keys, then its values. */
    public static byte[] layers(Namespace namespace, byte[] keys, byte[] values) {
        int layers = namespace.geometry().storedLayers().size();
        ByteBuffer out = ByteBuffer.allocate(keys.length + values.length);
        for (int layer = 0; layer < layers; layer++) {
            int key = keys.length / layers;
            int value = values.length / layers;
            out.put(keys, layer * key, key).put(values, layer * value, value);
        }
        return out.array();
    }

    private static byte[] bytes(MemorySegment heap) {
        return (byte[]) heap.heapBase().orElseThrow();
    }
}
