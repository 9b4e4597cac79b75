package io.kvtier.flight.share;

import static io.kvtier.codec.error.InvalidRequestException.check;

/**
 * What a stream still has to get from a link.
 *
 * @param needBytes without which chunks are missing at its deadline
 * @param wantBytes with all that would be of use, at least as many
 * @param nanosLeft until its deadline
 */
public record Demand(long needBytes, long wantBytes, long nanosLeft) {
    /** A stream that says nothing counts as one of so much time. */
    static final long NANOS_UNKNOWN = 1_000_000_000;

    private static final long NANOS_LEAST = 1_000_000;

    /** Checks ranges. */
    public Demand {
        check(needBytes >= 0 && needBytes <= wantBytes, "needBytes", needBytes, "0..wantBytes");
        check(nanosLeft > 0, "nanosLeft", nanosLeft, "above 0");
    }

    /** Of a stream that says nothing: it needs nothing by a deadline, and takes what there is. */
    static Demand unknown() {
        return new Demand(0, Long.MAX_VALUE, NANOS_UNKNOWN);
    }

    /** Bytes a second with which its need is met just in time. */
    double floor() {
        return needBytes * 1e9 / nanosLeft;
    }

    /** Bytes a second beyond which nothing would be there sooner than it has to. */
    double ceiling() {
        return wantBytes * 1e9 / nanosLeft;
    }

    /** One over the slack: the time left when its need had the whole link from now on. */
    double weight(double bytesPerSecond) {
        double alone = needBytes * 1e9 / bytesPerSecond;
        return 1e9 / Math.max(NANOS_LEAST, nanosLeft - alone);
    }
}
