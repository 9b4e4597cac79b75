package io.kvtier.benchmarks;

import io.kvtier.codec.ChunkDecoder;
import io.kvtier.codec.ChunkEncoder;
import io.kvtier.codec.DecodedChunk;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.profile.Profile;
import java.lang.foreign.MemorySegment;

/** One chunk, its frame by a profile, and what codes it again and again. Not thread-safe. */
final class CodedChunk {
    private final KvBlock block;
    private final KvBlock target;
    private final ChunkEncoder encoder;
    private final ChunkDecoder decoder;
    private final MemorySegment frame;

    CodedChunk(Profile profile, KvBlock block) {
        Namespace namespace = Namespace.adaptive(Digest.ZERO, block.geometry());
        this.block = block;
        target = KvBlock.allocate(block.geometry(), block.firstPosition(), block.tokens());
        encoder = new ChunkEncoder(namespace, profile);
        decoder = new ChunkDecoder(namespace, profile);
        frame = MemorySegment.ofArray(encode());
    }

    /** The frame of all parts. */
    byte[] encode() {
        return encoder.encode(Digest.ZERO, Digest.ZERO, block);
    }

    /** Decodes the first parts; checksums of segments are left out. */
    DecodedChunk decode(int parts) {
        FrameHeader header = header();
        decoder.begin(header);
        for (int i = 0; i < header.firstSegment(parts); i++) {
            int bytes = header.segments().get(i).bytes();
            decoder.accept(i, frame.asSlice(header.offset(i), bytes));
        }
        return decoder.finish(target);
    }

    /** Bits an element of the first parts, header included. */
    double bits(int parts) {
        FrameHeader header = header();
        long elements = header.decodedBytes() / header.dtype().bytes();
        return 8.0 * header.cuts().get(parts - 1) / elements;
    }

    private FrameHeader header() {
        return FrameBytes.readHeader(frame, DecodeLimits.defaults());
    }
}
