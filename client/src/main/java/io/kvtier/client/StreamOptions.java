package io.kvtier.client;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.frame.Part;

/**
 * What one stream is asked for, besides its deadline.
 *
 * @param rungMax highest rung of use to the reader
 * @param decodeNanosPerChunk time to decode one chunk: the plan leaves it before the deadline
 */
public record StreamOptions(int rungMax, long decodeNanosPerChunk) {
    /** Checks ranges. */
    public StreamOptions {
        check(rungMax >= 0 && rungMax < Part.RUNGS_MAX, "rungMax", rungMax, "0..3");
        check(decodeNanosPerChunk >= 0, "decodeNanosPerChunk", decodeNanosPerChunk, "0 or more");
    }

    /** Everything that is held, decoding not counted. */
    public static StreamOptions defaults() {
        return new StreamOptions(Part.RUNGS_MAX - 1, 0);
    }

    /** The same with time left for decoding. */
    public StreamOptions withDecodeNanosPerChunk(long nanos) {
        return new StreamOptions(rungMax, nanos);
    }

    /** The same up to another rung. */
    public StreamOptions withRungMax(int rung) {
        return new StreamOptions(rung, decodeNanosPerChunk);
    }
}
