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

    static KvtierException of(String node, FlightRuntimeException error) {
        CallStatus status = error.status();
        ErrorCode code = ErrorCode.ofFlight(status.code().name());
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
