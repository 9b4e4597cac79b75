package io.kvtier.codec.frame;

import io.kvtier.codec.error.InvalidRequestException;

/**
 * What a reader is ready to believe: every length from outside is held against these before
 * anything is allocated from it.
 *
 * @param frameBytesMax longest frame
 * @param headerBytesMax longest header
 * @param decodedBytesMax most bytes that a frame may decode to
 * @param segmentsMax most segments of a frame
 * @param tokensMax most tokens of a chunk
 */
public record DecodeLimits(
        long frameBytesMax,
        int headerBytesMax,
        long decodedBytesMax,
        int segmentsMax,
        int tokensMax) {
    /** Checks that each is positive. */
    public DecodeLimits {
        InvalidRequestException.check(
                frameBytesMax > 0
                        && headerBytesMax > 0
                        && decodedBytesMax > 0
                        && segmentsMax > 0
                        && tokensMax > 0,
                "decode limits",
                frameBytesMax + ", " + headerBytesMax + ", " + decodedBytesMax,
                "positive numbers");
    }

    /** Frames to 256 MiB, headers to 1 MiB, 1 GiB decoded, 16,384 segments, 8,192 tokens. */
    public static DecodeLimits defaults() {
        return new DecodeLimits(256L << 20, 1 << 20, 1L << 30, 16_384, 8192);
    }
}
