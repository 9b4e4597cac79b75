package io.kvtier.codec;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.exact.LayerCoder;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Namespace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Decodes frames of one exact namespace, one after another: {@link #begin}, segments in any order,
 * {@link #finish}. Reusable, not thread-safe; holds heap scratch of the chunk and three layers,
 * whose lengths come from the geometry and never from a segment. After an exception only {@link
 * #begin} may follow.
 */
public final class ExactDecoder implements FrameCodec.Decoder {
    private final Namespace namespace;
    private final Digest digest;
    private final LayerCoder coder = new LayerCoder();
    private final byte[][] layers;
    private final boolean[] arrived;
    private List<SegmentEntry> entries = List.of();
    private int firstPosition;
    private int tokens;
    private int layerBytes;

    /** A decoder for a namespace of kind exact. */
    public ExactDecoder(Namespace namespace) {
        this.namespace = new FrameCodec.Exact(namespace).namespace();
        digest = namespace.digest();
        layers = new byte[namespace.geometry().storedLayers().size()][0];
        arrived = new boolean[layers.length];
    }

    @Override
    public void begin(FrameHeader header) {
        entries = List.of();
        FrameBytes.verifyIdentity(header, namespace, digest);
        check(
                header.profile().equals(Digest.ZERO),
                "profile of an exact frame",
                "zeros",
                header.profile());
        check(
                header.layerGroups() == layers.length && header.headGroups() == 1,
                "frame's groups",
                layers.length + " by 1",
                header.layerGroups() + " by " + header.headGroups());
        long bytes = header.decodedBytes() / layers.length;
        InvalidRequestException.check(
                bytes <= 1 << 30, "bytes of a layer", bytes, "at most 1 GiB: use shorter chunks");
        Arrays.fill(arrived, false);
        layerBytes = (int) bytes;
        firstPosition = header.firstPosition();
        tokens = header.tokens();
        entries = header.segments();
    }

    @Override
    public void accept(int index, MemorySegment bytes) {
        InvalidRequestException.check(
                index >= 0 && index < entries.size(), "segment", index, "0.." + entries.size());
        SegmentEntry entry = entries.get(index);
        int end = entry.firstLayerGroup() + entry.layerGroups();
        try {
            long at = 0;
            for (int layer = entry.firstLayerGroup(); layer < end; layer++) {
                if (layers[layer].length != layerBytes) {
                    layers[layer] = new byte[layerBytes];
                }
                at = coder.decode(bytes, at, layers[layer]);
            }
            long rest = bytes.byteSize() - at;
            check(rest == 0, "bytes after the layers of segment " + index, 0, rest);
        } catch (CorruptChunkException e) {
            entries = List.of(); // a layer may be half written
            throw e;
        }
        Arrays.fill(arrived, entry.firstLayerGroup(), end, true);
    }

    @Override
    public DecodedChunk finish(KvBlock target) {
        checkTarget(target.geometry(), target.firstPosition(), target.tokens());
        int written = scatter(target.keys(), target.values());
        List<Float> errors = new ArrayList<>(layers.length);
        for (boolean there : arrived) {
            errors.add(there ? 0f : Float.NaN);
        }
        return new DecodedChunk(0, 0, written, errors, errors);
    }

    /**
     * Writes the opaque layers that arrived; others stay as they are.
     *
     * @return how many were written
     */
    public int finish(OpaqueBlock target) {
        checkTarget(target.geometry(), target.firstPosition(), target.tokens());
        return scatter(target.layers());
    }

    private void checkTarget(Geometry geometry, int position, int count) {
        InvalidRequestException.check(
                !entries.isEmpty(),
                "decoder",
                "not begun, or broken by a corrupt segment",
                "begun");
        InvalidRequestException.check(
                geometry.equals(namespace.geometry()) && count == tokens,
                "target's shape",
                count + " tokens",
                tokens + " tokens of the namespace's geometry");
        InvalidRequestException.check(
                position == firstPosition, "target's position", position, firstPosition);
    }

    /** Shares out the layers that arrived, and counts them. */
    private int scatter(MemorySegment... parts) {
        int written = 0;
        for (int layer = 0; layer < layers.length; layer++) {
            int from = 0;
            for (MemorySegment part : parts) {
                int share = (int) (part.byteSize() / layers.length);
                if (arrived[layer]) {
                    long to = (long) layer * share;
                    MemorySegment.copy(layers[layer], from, part, ValueLayout.JAVA_BYTE, to, share);
                }
                from += share;
            }
            written += arrived[layer] ? 1 : 0;
        }
        return written;
    }
}
