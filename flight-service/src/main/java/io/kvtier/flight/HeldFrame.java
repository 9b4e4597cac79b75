package io.kvtier.flight;

import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.storage.Blob;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.StoredChunk;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/**
 * A chunk of the store as the service sees it: which namespace it belongs to, and its directory.
 *
 * <p>The store's summary is namespace digest ‖ directory: foreign key schemes may use one key in
 * two namespaces, and a chunk of the other one is a miss.
 */
final class HeldFrame {
    private HeldFrame() {}

    /** What the store is told about a verified frame of which {@code bytes} are held. */
    static ChunkMeta meta(FrameHeader header, long bytes) {
        int held = header.partsHeld(bytes);
        byte[] directory = ChunkDirectory.of(header, held).toBytes();
        ByteBuffer summary = ByteBuffer.allocate(Digest.BYTES + directory.length);
        header.namespace().write(summary);
        summary.put(directory);
        List<Long> cuts = header.cuts().subList(0, held);
        return new ChunkMeta(
                header.encodingId().toBytes(),
                bytes,
                held,
                header.tokens(),
                cuts.stream().mapToLong(Long::longValue).toArray(),
                summary.array());
    }

    /** The namespace under which a held chunk was put. */
    static Digest namespace(ChunkMeta meta) {
        return Digest.read(meta.summaryView());
    }

    /** The directory of a held chunk, if it is of this namespace. */
    static Optional<ChunkDirectory> directory(ChunkMeta meta, Digest namespace) {
        ByteBuffer summary = meta.summaryView();
        if (!Digest.read(summary).equals(namespace)) {
            return Optional.empty();
        }
        return Optional.of(ChunkDirectory.read(summary).withPartsHeld(meta.quality()));
    }

    /** Encoding of a held chunk. */
    static Digest encodingId(ChunkMeta meta) {
        return Digest.of(meta.encodingId());
    }

    /** The header of an open chunk, which was verified when it was put. */
    static FrameHeader header(StoredChunk chunk, DecodeLimits limits) {
        Blob blob = chunk.blob();
        return FrameBytes.readHeader(blob.segment(), limits);
    }
}
