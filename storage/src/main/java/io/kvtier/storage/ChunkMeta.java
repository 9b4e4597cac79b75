package io.kvtier.storage;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What a store knows about a chunk without reading it.
 *
 * <p>Arrays are copied in and out; {@link #summaryView} reads the summary without a copy.
 *
 * @param encodingId 32 bytes that name the encoding: values of one key combine only under one
 * @param bytes length of the value as held
 * @param quality parts held; more is better, comparable within one key only
 * @param tokens tokens that the chunk covers
 * @param cuts offsets at which the value may be truncated, ascending; the last is {@code bytes}.
 *     Cut {@code i} leaves quality {@code quality − (cuts.length − 1 − i)}
 * @param summary what lookups answer with, opaque to the store, at most {@link #SUMMARY_BYTES_MAX}
 * @param expiryMillis since 1970: from then on the value is a miss; {@link #NEVER} for one that
 *     stays until its turn comes
 */
@SuppressWarnings("ArrayRecordComponent") // copied in and out, compared by content
public record ChunkMeta(
        byte[] encodingId,
        long bytes,
        int quality,
        int tokens,
        long[] cuts,
        byte[] summary,
        long expiryMillis) {
    /** The time at which a value expires that does not. */
    public static final long NEVER = Long.MAX_VALUE;

    /** Bytes of an encoding id. */
    public static final int ENCODING_ID_BYTES = 32;

    /** The longest value that a store takes: 256 MiB. */
    public static final long BYTES_MAX = 256L << 20;

    /** The longest summary that a store takes: 64 KiB. */
    public static final int SUMMARY_BYTES_MAX = 64 << 10;

    /** The most cuts that a value may have. */
    public static final int CUTS_MAX = 256;

    /**
     * Checks and copies.
     *
     * @throws InvalidRequestException naming the field, what was got and what was expected
     */
    public ChunkMeta {
        require(
                encodingId.length == ENCODING_ID_BYTES,
                "encodingId bytes",
                encodingId.length,
                "32");
        require(bytes >= 1 && bytes <= BYTES_MAX, "bytes", bytes, "1.." + BYTES_MAX);
        require(quality >= 1, "quality", quality, "at least 1");
        require(tokens >= 0, "tokens", tokens, "at least 0");
        require(
                cuts.length >= 1 && cuts.length <= Math.min(CUTS_MAX, quality),
                "count of cuts",
                cuts.length,
                "1.." + Math.min(CUTS_MAX, quality) + " (no more than quality)");
        require(
                summary.length <= SUMMARY_BYTES_MAX,
                "summary bytes",
                summary.length,
                "at most " + SUMMARY_BYTES_MAX);
        long before = 0;
        for (long cut : cuts) {
            require(cut > before, "cut", cut, "above the one before it, " + before);
            before = cut;
        }
        require(before == bytes, "last cut", before, "bytes = " + bytes);
        require(expiryMillis >= 1, "expiryMillis", expiryMillis, "at least 1");
        encodingId = encodingId.clone();
        cuts = cuts.clone();
        summary = summary.clone();
    }

    /** Of a value that does not expire. */
    public ChunkMeta(
            byte[] encodingId, long bytes, int quality, int tokens, long[] cuts, byte[] summary) {
        this(encodingId, bytes, quality, tokens, cuts, summary, NEVER);
    }

    /** The same with another time at which it expires. */
    public ChunkMeta withExpiryMillis(long millis) {
        return millis == expiryMillis
                ? this
                : new ChunkMeta(encodingId, bytes, quality, tokens, cuts, summary, millis);
    }

    @Override
    public byte[] encodingId() {
        return encodingId.clone();
    }

    @Override
    public long[] cuts() {
        return cuts.clone();
    }

    @Override
    public byte[] summary() {
        return summary.clone();
    }

    /** The summary, read-only and without a copy. */
    public ByteBuffer summaryView() {
        return ByteBuffer.wrap(summary).asReadOnlyBuffer();
    }

    /** Whether both describe (parts of) the same encoding, so that their bytes may be combined. */
    public boolean hasEncodingOf(ChunkMeta other) {
        return Arrays.equals(encodingId, other.encodingId);
    }

    /**
     * What is left of the value when it is truncated.
     *
     * @param cut index of the cut at which it ends
     */
    public ChunkMeta cutAt(int cut) {
        return new ChunkMeta(
                encodingId,
                cuts[cut],
                quality - (cuts.length - 1 - cut),
                tokens,
                Arrays.copyOf(cuts, cut + 1),
                summary,
                expiryMillis);
    }

    /** Offsets at which the value may be truncated, its end included. */
    public int cutCount() {
        return cuts.length;
    }

    /** Where the value ends when it is truncated at a cut. */
    public long bytesAt(int cut) {
        return cuts[cut];
    }

    /** Heap bytes of this record, about: what an index charges for it. */
    public long heapBytes() {
        return 160L + ENCODING_ID_BYTES + 8L * cuts.length + summary.length;
    }

    @Override
    public boolean equals(@Nullable Object object) {
        return object instanceof ChunkMeta other
                && bytes == other.bytes
                && quality == other.quality
                && tokens == other.tokens
                && expiryMillis == other.expiryMillis
                && Arrays.equals(encodingId, other.encodingId)
                && Arrays.equals(cuts, other.cuts)
                && Arrays.equals(summary, other.summary);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(encodingId) + Long.hashCode(bytes) + quality;
    }

    @Override
    public String toString() {
        return "ChunkMeta[bytes=" + bytes + ", quality=" + quality + ", tokens=" + tokens + "]";
    }

    private static void require(boolean holds, String field, long actual, String expected) {
        if (!holds) {
            throw new InvalidRequestException(
                    "chunk meta: " + field + " is " + actual + ", expected " + expected);
        }
    }
}
