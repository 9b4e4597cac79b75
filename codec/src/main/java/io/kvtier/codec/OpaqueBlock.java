package io.kvtier.codec;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Geometry;
import java.lang.foreign.MemorySegment;

/**
 * The opaque layers (or states) of one chunk in the caller's memory: u8 {@code [stored layers,
 * opaqueBytes]}, lent. A shorter last chunk has as many bytes as a full one: engines hand out whole
 * blocks, and only they know which bytes are behind the last token.
 *
 * @param firstPosition position of the first token in its sequence
 */
public record OpaqueBlock(Geometry geometry, int firstPosition, int tokens, MemorySegment layers) {
    /** Checks kind and size. */
    public OpaqueBlock {
        check(geometry.isOpaque(), "geometry kind", geometry.kind(), "OPAQUE or STATE");
        check(tokens >= 1 && tokens <= 65535, "tokens", tokens, "1..65535");
        check(
                firstPosition >= 0 && firstPosition <= Integer.MAX_VALUE - tokens,
                "firstPosition",
                firstPosition,
                "0..2^31-1-tokens");
        long bytes = geometry.decodedBytes(tokens);
        check(layers.byteSize() == bytes, "bytes of opaque layers", layers.byteSize(), bytes);
    }

    /** A block of a new heap array, all zeros. */
    public static OpaqueBlock allocate(Geometry geometry, int firstPosition, int tokens) {
        check(geometry.isOpaque(), "geometry kind", geometry.kind(), "OPAQUE or STATE");
        long bytes = geometry.decodedBytes(tokens);
        check(bytes <= 1L << 30, "bytes of opaque layers", bytes, "at most 1 GiB on the heap");
        MemorySegment layers = MemorySegment.ofArray(new byte[(int) bytes]);
        return new OpaqueBlock(geometry, firstPosition, tokens, layers);
    }
}
