package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.error.AccessDeniedException;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.OverloadedException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.wire.ErrorCode;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.apache.arrow.flight.CallStatus;
import org.apache.arrow.flight.FlightStatusCode;
import org.junit.jupiter.api.Test;

/** The table of errors is total in both directions. */
class ErrorStatusTest {
    @Test
    void everyException_comesBackAsItself() {
        List<KvtierException> all =
                List.of(
                        new InvalidRequestException("a"),
                        new AccessDeniedException("b"),
                        new OverloadedException("c", Duration.ofMillis(250)),
                        new CorruptChunkException("d"),
                        new UnavailableException("e"));
        assertThat(all).hasSize(KvtierException.class.getPermittedSubclasses().length);
        for (KvtierException error : all) {
            CallStatus status = ErrorStatus.of(error).status();
            KvtierException back =
                    ErrorCode.ofFlight(status.code().name()).toException(status.description());
            assertThat(back).hasSameClassAs(error).hasMessage(error.getMessage());
        }
        CallStatus overloaded = ErrorStatus.of(all.get(2)).status();
        assertThat(overloaded.metadata().get(ErrorCode.RETRY_AFTER_MILLIS)).isEqualTo("250");
    }

    @Test
    void everyFlightCode_hasAnException() {
        assertThat(FlightStatusCode.values())
                .allSatisfy(
                        code ->
                                assertThat(ErrorCode.ofFlight(code.name()).toException("why"))
                                        .hasMessage("why"));
        assertThat(Arrays.stream(ErrorCode.values()).map(ErrorCode::flightCode))
                .doesNotHaveDuplicates()
                .allSatisfy(
                        name -> assertThat(FlightStatusCode.valueOf(name).name()).isEqualTo(name));
    }

    @Test
    void everyStorageException_keepsItsMeaning() {
        assertThat(code(new io.kvtier.storage.InvalidRequestException("a")))
                .isEqualTo(FlightStatusCode.INVALID_ARGUMENT);
        assertThat(code(new io.kvtier.storage.OverloadedException("b", Duration.ofSeconds(1))))
                .isEqualTo(FlightStatusCode.RESOURCE_EXHAUSTED);
        assertThat(code(new io.kvtier.storage.UnavailableException("c")))
                .isEqualTo(FlightStatusCode.UNAVAILABLE);
        assertThat(io.kvtier.storage.StorageException.class.getPermittedSubclasses()).hasSize(3);
    }

    private static FlightStatusCode code(Throwable error) {
        return ErrorStatus.of(error).status().code();
    }
}
