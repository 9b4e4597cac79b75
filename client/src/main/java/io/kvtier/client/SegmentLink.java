package io.kvtier.client;

import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.wire.SegmentReply;
import io.kvtier.codec.wire.SegmentRequest;

/**
 * One persistent exchange with a node, shared by all streams of a namespace: requests of each are
 * numbered, replies find their stream by the number.
 *
 * <p>Thread-safety: all methods.
 */
interface SegmentLink extends AutoCloseable {
    /** A stream that waits for replies; called from the reading thread, so it must not block. */
    interface Listener {
        /** One reply; the payload is the listener's to close. */
        void reply(SegmentReply reply, Payload payload);

        /** The exchange is over, nothing more will come. */
        void broken(KvtierException error);
    }

    /** Whether nothing comes any more. */
    boolean isBroken();

    /** A new number, whose replies go to the listener until {@link #forget}. */
    int register(Listener listener);

    /** A number for one more stream on this exchange. */
    int nextStream();

    /** Sends a request whose number was registered. */
    void send(SegmentRequest request, Deadline deadline);

    /** Wants no more replies to a request. */
    void forget(int number);

    /** Takes a request back; what still comes goes to its listener, unless that is forgotten. */
    void cancel(int number, Deadline deadline);

    @Override
    void close();
}
