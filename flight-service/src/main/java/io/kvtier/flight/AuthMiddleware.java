package io.kvtier.flight;

import io.kvtier.codec.error.KvtierException;
import org.apache.arrow.flight.CallHeaders;
import org.apache.arrow.flight.CallInfo;
import org.apache.arrow.flight.CallStatus;
import org.apache.arrow.flight.FlightServerMiddleware;
import org.apache.arrow.flight.RequestContext;
import org.jspecify.annotations.Nullable;

/** Carries the caller of a call from its headers to the producer. */
record AuthMiddleware(Caller caller) implements FlightServerMiddleware {
    static final Key<AuthMiddleware> KEY = Key.of("kvtier-caller");

    /** Asks the authenticator at the start of every call. */
    record Starter(Authenticator authenticator) implements Factory<AuthMiddleware> {
        @Override
        public AuthMiddleware onCallStarted(
                CallInfo info, CallHeaders headers, RequestContext context) {
            @Nullable String authorization = headers.get("authorization");
            try {
                return new AuthMiddleware(
                        authenticator.authenticate(authorization == null ? "" : authorization));
            } catch (KvtierException e) {
                throw ErrorStatus.of(e);
            }
        }
    }

    @Override
    public void onBeforeSendingHeaders(CallHeaders headers) {}

    @Override
    public void onCallCompleted(CallStatus status) {}

    @Override
    public void onCallErrored(Throwable error) {}
}
