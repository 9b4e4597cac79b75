package io.kvtier.client;

import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.wire.ErrorCode;
import java.time.Duration;
import org.apache.arrow.flight.CallStatus;
import org.apache.arrow.flight.ErrorFlightMetadata;
import org.apache.arrow.flight.FlightRuntimeException;

/** Turns a node's status into the exception that stands for it. */
final class NodeErrors {
    private static final Duration RETRY_AFTER = Duration.ofMillis(100);
    private static final Duration RETRY_AFTER_MAX = Duration.ofMinutes(1);

    private NodeErrors() {}

    /**
     * The exception for a failed call. INTERNAL says nothing of chunks here: a node answers no call
     * with it, while gRPC does when a connection ends in the middle, be it for lack of memory.
     */
    static KvtierException of(String node, FlightRuntimeException error) {
        CallStatus status = error.status();
        ErrorCode told = ErrorCode.ofFlight(status.code().name());
        ErrorCode code = told == ErrorCode.CORRUPT ? ErrorCode.UNAVAILABLE : told;
        String message = "node " + node + ": " + status.code() + ": " + status.description();
        KvtierException out = code.toException(message, retryAfter(status.metadata()));
        out.initCause(error);
        return out;
    }

    private static Duration retryAfter(ErrorFlightMetadata trailers) {
        if (trailers == null || !trailers.containsKey(ErrorCode.RETRY_AFTER_MILLIS)) {
            return RETRY_AFTER;
        }
        try {
            long millis = Long.parseLong(trailers.get(ErrorCode.RETRY_AFTER_MILLIS));
            return Duration.ofMillis(Math.clamp(millis, 1, RETRY_AFTER_MAX.toMillis()));
        } catch (NumberFormatException e) {
            return RETRY_AFTER;
        }
    }
}
