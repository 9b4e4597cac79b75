package io.kvtier.client;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.GetTicket;
import io.kvtier.codec.wire.PutCommand;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * How messages get to one node and back: Arrow Flight, or in a test a network that is not there.
 *
 * <p>Errors: a {@link io.kvtier.codec.error.KvtierException}. Thread-safety: all methods.
 */
interface Transport extends AutoCloseable {
    /** What the node answers to an action. */
    List<byte[]> results(String action, byte[] body, Deadline deadline);

    /** One reply a frame, in order. */
    List<PutReply> put(PutCommand command, List<MemorySegment> frames, Deadline deadline);

    /** One stream that the node plans. */
    Delivery get(GetCall call, GetTicket ticket, Deadline deadline);

    /** The open exchange of a namespace, or a new one. */
    SegmentLink link(Digest namespace);

    /** Ends all streams and the connection. */
    @Override
    void close();
}
