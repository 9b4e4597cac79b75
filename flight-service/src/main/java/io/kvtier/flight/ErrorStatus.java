package io.kvtier.flight;

import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.OverloadedException;
import io.kvtier.codec.wire.ErrorCode;
import io.kvtier.storage.InvalidRequestException;
import io.kvtier.storage.StorageException;
import io.kvtier.storage.UnavailableException;
import java.time.Duration;
import org.apache.arrow.flight.CallStatus;
import org.apache.arrow.flight.ErrorFlightMetadata;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStatusCode;
import org.apache.arrow.memory.OutOfMemoryException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Turns what was thrown inside the node into the status that its caller sees. */
final class ErrorStatus {
    private static final Logger LOG = LoggerFactory.getLogger(ErrorStatus.class);
    private static final Duration RETRY_AFTER = Duration.ofMillis(100);

    private ErrorStatus() {}

    /** The status of any failure; what nobody foresaw is logged here and told without detail. */
    static FlightRuntimeException of(Throwable error) {
        return switch (error) {
            case FlightRuntimeException e -> e;
            case OverloadedException e ->
                    status(ErrorCode.OVERLOADED, e.getMessage(), e.retryAfter());
            case KvtierException e -> status(ErrorCode.of(e), e.getMessage(), RETRY_AFTER);
            case StorageException e -> ofStorage(e);
            case OutOfMemoryException e ->
                    status(
                            ErrorCode.OVERLOADED,
                            "in-flight memory: " + e.getMessage(),
                            RETRY_AFTER);
            default -> unforeseen(error);
        };
    }

    /** The exception as callers know it, for one thrown by a store. */
    private static FlightRuntimeException ofStorage(StorageException error) {
        return switch (error) {
            case InvalidRequestException e ->
                    status(ErrorCode.INVALID_REQUEST, e.getMessage(), RETRY_AFTER);
            case io.kvtier.storage.OverloadedException e ->
                    status(ErrorCode.OVERLOADED, e.getMessage(), e.retryAfter());
            case UnavailableException e ->
                    status(ErrorCode.UNAVAILABLE, e.getMessage(), RETRY_AFTER);
        };
    }

    private static FlightRuntimeException status(
            ErrorCode code, @Nullable String message, Duration retryAfter) {
        CallStatus status =
                FlightStatusCode.valueOf(code.flightCode())
                        .toStatus()
                        .withDescription(String.valueOf(message));
        if (code == ErrorCode.OVERLOADED) {
            ErrorFlightMetadata trailers = new ErrorFlightMetadata();
            trailers.insert(ErrorCode.RETRY_AFTER_MILLIS, Long.toString(retryAfter.toMillis()));
            status = status.withMetadata(trailers);
        }
        return status.toRuntimeException();
    }

    private static FlightRuntimeException unforeseen(Throwable error) {
        LOG.error("unforeseen failure of a call", error);
        return CallStatus.UNKNOWN
                .withDescription("the node failed in an unforeseen way: see its log")
                .toRuntimeException();
    }
}
