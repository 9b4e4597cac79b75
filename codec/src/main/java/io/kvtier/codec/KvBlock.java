package io.kvtier.codec;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.KeyChain;
import java.lang.foreign.MemorySegment;

/**
 * The keys and values of one chunk in the caller's memory: {@code [stored layers, tokens, kvHeads,
 * dim]} each, elements of the geometry's dtype, little-endian; keys after RoPE, as engines cache
 * them. Both segments are lent.
 *
 * @param firstPosition position of the first token in its sequence
 * @param tokenIds of the tokens, which deep profiles predict from; empty = not given
 */
@SuppressWarnings("ArrayRecordComponent") // lent, and blocks are never compared
public record KvBlock(
        Geometry geometry,
        int firstPosition,
        int tokens,
        MemorySegment keys,
        MemorySegment values,
        int[] tokenIds) {
    /** Checks sizes. */
    public KvBlock {
        check(tokens >= 1 && tokens <= 65535, "tokens", tokens, "1..65535");
        check(
                firstPosition >= 0 && firstPosition <= Integer.MAX_VALUE - tokens,
                "firstPosition",
                firstPosition,
                "0..2^31-1-tokens");
        checkBytes("keys", keys, bytes(geometry, tokens, geometry.keyDim()));
        checkBytes("values", values, bytes(geometry, tokens, geometry.valueDim()));
        check(
                tokenIds.length == 0 || tokenIds.length == tokens,
                "token ids",
                tokenIds.length,
                "none or " + tokens);
    }

    /** A block whose token ids are not given. */
    public KvBlock(
            Geometry geometry,
            int firstPosition,
            int tokens,
            MemorySegment keys,
            MemorySegment values) {
        this(geometry, firstPosition, tokens, keys, values, new int[0]);
    }

    /** The same keys and values with the ids of their tokens, lent. */
    public KvBlock withTokenIds(int[] ids) {
        return new KvBlock(geometry, firstPosition, tokens, keys, values, ids);
    }

    /** Refuses other token ids than those of a digest, or none. */
    void checkTokenIds(Digest digest) {
        check(tokenIds.length == tokens, "token ids", "not given", "the chunk's: profile is deep");
        Digest actual = KeyChain.tokenDigest(tokenIds, 0, tokens);
        check(actual.equals(digest), "digest of the token ids", actual, digest);
    }

    /** A block of new heap arrays, all zeros. */
    public static KvBlock allocate(Geometry geometry, int firstPosition, int tokens) {
        int keyBytes = Math.toIntExact(bytes(geometry, tokens, geometry.keyDim()));
        int valueBytes = Math.toIntExact(bytes(geometry, tokens, geometry.valueDim()));
        return new KvBlock(
                geometry,
                firstPosition,
                tokens,
                MemorySegment.ofArray(new byte[keyBytes]),
                MemorySegment.ofArray(new byte[valueBytes]));
    }

    private static long bytes(Geometry geometry, int tokens, int dim) {
        long elements = (long) geometry.storedLayers().size() * tokens * geometry.kvHeads() * dim;
        return Math.multiplyExact(elements, geometry.dtype().bytes());
    }

    private static void checkBytes(String what, MemorySegment segment, long expected) {
        check(segment.byteSize() == expected, "bytes of " + what, segment.byteSize(), expected);
    }
}
