package io.kvtier.client;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.UnavailableException;
import org.apache.arrow.flight.CallStatus;
import org.junit.jupiter.api.Test;

class NodeErrorsTest {
    /** As gRPC does when a node has no memory for a message: {@code MemoryExhaustedIT}, row 19. */
    @Test
    void of_connectionEndedByGrpcItself_isUnavailableAndNotCorrupt() {
        CallStatus status = CallStatus.INTERNAL.withDescription("Connection closed after GOAWAY");
        assertThat(NodeErrors.of("a:1", status.toRuntimeException()))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContaining("a:1", "GOAWAY");
    }

    @Test
    void of_badRequest_isInvalid() {
        CallStatus status = CallStatus.INVALID_ARGUMENT.withDescription("no such action");
        assertThat(NodeErrors.of("a:1", status.toRuntimeException()))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("no such action");
    }
}
