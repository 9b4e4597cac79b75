package io.kvtier.codec.plan;

import static io.kvtier.codec.error.InvalidRequestException.check;

/**
 * What the planner may count on: a lower bound of the link's rate, its round trip, and the decoder.
 *
 * @param bytesPerSecond lower confidence bound of the goodput
 * @param roundTripNanos from a request to its first byte
 * @param decodeNanosPerChunk time to decode one chunk; only the last one adds to a stream, since
 *     the others are decoded while bytes arrive
 */
public record Link(double bytesPerSecond, long roundTripNanos, long decodeNanosPerChunk) {
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

    /** Bytes that arrive and are decoded within the time, 0 when there is none. */
    long bytesWithin(long nanos) {
        double usable = (double) nanos - roundTripNanos - decodeNanosPerChunk;
        return usable <= 0 ? 0 : (long) Math.min(usable * bytesPerSecond / 1e9, 1e18);
    }

    /** Time until that many bytes have arrived and the last chunk is decoded. */
    long nanosFor(long bytes) {
        double nanos = bytes / bytesPerSecond * 1e9;
        return roundTripNanos + decodeNanosPerChunk + (long) Math.min(nanos, 1e18);
    }
}
