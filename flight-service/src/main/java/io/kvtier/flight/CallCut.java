package io.kvtier.flight;

import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.ServerStreamTracer;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Resets a call, so that the network lets go of what its client does not take.
 *
 * <p>A status alone would queue up behind the very data that is not taken. gRPC resets a stream
 * when its context runs into a timeout, and a tracer is where a context of ours can be put above
 * the call's own.
 */
final class CallCut extends ServerStreamTracer {
    private static final Context.Key<Context.CancellableContext> CALL = Context.key("kvtier-call");
    private static final Context.Key<CallCut> TRACER = Context.key("kvtier-tracer");

    private volatile @Nullable Object connection;

    /** Puts a context that can be cancelled above every call. */
    static final class Starter extends ServerStreamTracer.Factory {
        @Override
        public ServerStreamTracer newServerStreamTracer(String method, Metadata headers) {
            return new CallCut();
        }
    }

    @Override
    public Context filterContext(Context context) {
        Context.CancellableContext call = context.withCancellation();
        return call.withValues(CALL, call, TRACER, this);
    }

    @Override
    public void serverCallStarted(ServerCallInfo<?, ?> call) {
        connection = Connections.idOf(call.getAttributes());
    }

    /** Which connection the call came over that the calling thread was started for. */
    static Object connectionOfCurrent() {
        CallCut tracer = TRACER.get();
        Object found = tracer == null ? null : tracer.connection;
        if (found == null) {
            throw new AssertionError("not called on the thread of a call");
        }
        return found;
    }

    /** How to reset the call that the calling thread was started for. */
    static Runnable ofCurrent() {
        Context.CancellableContext call = CALL.get();
        return () -> {
            if (call != null) {
                boolean _ = call.cancel(new TimeoutException("the client does not read"));
            }
        };
    }
}
