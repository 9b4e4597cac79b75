package io.kvtier.codec.wire;

import io.kvtier.codec.error.AccessDeniedException;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.OverloadedException;
import io.kvtier.codec.error.UnavailableException;
import java.time.Duration;

/** The one table of errors on the wire: a type of {@link KvtierException} ↔ a Flight code. */
public enum ErrorCode {
    INVALID_REQUEST("INVALID_ARGUMENT"),
    ACCESS_DENIED("UNAUTHORIZED"),
    OVERLOADED("RESOURCE_EXHAUSTED"),
    CORRUPT("INTERNAL"),
    UNAVAILABLE("UNAVAILABLE");

    /** Trailer that says after how many milliseconds a refused request may pass. */
    public static final String RETRY_AFTER_MILLIS = "kvtier-retry-after-ms";

    private static final Duration RETRY_AFTER = Duration.ofMillis(100);

    private final String flightCode;

    ErrorCode(String flightCode) {
        this.flightCode = flightCode;
    }

    /** Name of the Flight code that stands for this error. */
    public String flightCode() {
        return flightCode;
    }

    /** The code of an exception. */
    public static ErrorCode of(KvtierException error) {
        return switch (error) {
            case InvalidRequestException e -> INVALID_REQUEST;
            case AccessDeniedException e -> ACCESS_DENIED;
            case OverloadedException e -> OVERLOADED;
            case CorruptChunkException e -> CORRUPT;
            case UnavailableException e -> UNAVAILABLE;
        };
    }

    /** What any Flight code means, those included that only other servers and gRPC itself send. */
    public static ErrorCode ofFlight(String code) {
        return switch (code) {
            case "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "UNIMPLEMENTED" ->
                    INVALID_REQUEST;
            case "UNAUTHENTICATED", "UNAUTHORIZED" -> ACCESS_DENIED;
            case "RESOURCE_EXHAUSTED" -> OVERLOADED;
            case "INTERNAL" -> CORRUPT;
            default -> UNAVAILABLE;
        };
    }

    /** The exception of this code, with a retry after 100 ms where a retry makes sense. */
    public KvtierException toException(String message) {
        return toException(message, RETRY_AFTER);
    }

    /** The exception of this code; only {@link #OVERLOADED} uses the duration. */
    public KvtierException toException(String message, Duration retryAfter) {
        return switch (this) {
            case INVALID_REQUEST -> new InvalidRequestException(message);
            case ACCESS_DENIED -> new AccessDeniedException(message);
            case OVERLOADED -> new OverloadedException(message, retryAfter);
            case CORRUPT -> new CorruptChunkException(message);
            case UNAVAILABLE -> new UnavailableException(message);
        };
    }
}
