package io.kvtier.codec.plan;

import static io.kvtier.codec.error.InvalidRequestException.check;

/**
 * What the planner may count on: a lower bound of the link's rate, its round trip, and the decoder.
 *
 * @param bytesPerSecond lower confidence bound of the goodput
 * @param roundTripNanos from a request to its first byte
 * @param decodeNanosPerChunk time to decode one chunk; chunks are decoded one after the other while
 *     bytes arrive, so the last one adds to a stream unless decoding is slower than the link
 */
public record Link(double bytesPerSecond, long roundTripNanos, long decodeNanosPerChunk) {
    /** Longest time that is told apart from forever. */
    static final long FOREVER = (long) 1e18;

    /** Checks ranges. */
    public Link {
        check(
                bytesPerSecond > 0 && Double.isFinite(bytesPerSecond),
                "bytesPerSecond",
                bytesPerSecond,
                "finite and positive");
        check(roundTripNanos >= 0, "roundTripNanos", roundTripNanos, "0 or more");
        check(decodeNanosPerChunk >= 0, "decodeNanosPerChunk", decodeNanosPerChunk, "0 or more");
    }

    /**
     * Bytes of so many chunks that arrive and are decoded within the time, 0 when there is none.
     */
    long bytesWithin(long nanos, int chunks) {
        double left = (double) nanos - roundTripNanos;
        double usable = left - decodeNanosPerChunk;
        if (usable <= 0 || (double) chunks * decodeNanosPerChunk > left) {
            return 0;
        }
        return (long) Math.min(usable * bytesPerSecond / 1e9, FOREVER);
    }

    /** Time until that many bytes of so many chunks have arrived and are decoded. */
    long nanosFor(long bytes, int chunks) {
        double transfer = bytes / bytesPerSecond * 1e9;
        double decoding = (double) Math.max(0, chunks - 1) * decodeNanosPerChunk;
        return roundTripNanos
                + decodeNanosPerChunk
                + (long) Math.min(Math.max(transfer, decoding), FOREVER);
    }
}
