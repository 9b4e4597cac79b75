package io.kvtier.client;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.PutCommand;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * The connection to one node: what carries messages there, whether it failed a moment ago, and what
 * streams have taught about the link.
 *
 * <p>Ownership: closes the transport. Thread-safety: all methods.
 */
final class NodeConnection implements AutoCloseable {
    private final String endpoint;
    private final Transport transport;
    private final NanoClock clock;
    private final GoodputEstimator estimator;
    private volatile long suspectUntilNanos;
    private volatile boolean suspect;

    NodeConnection(String endpoint, Transport transport, ClientOptions options, NanoClock clock) {
        this.endpoint = endpoint;
        this.transport = transport;
        this.clock = clock;
        this.estimator = new GoodputEstimator(options.coldBytesPerSecond());
    }

    /** {@code host:port}. */
    String endpoint() {
        return endpoint;
    }

    GoodputEstimator estimator() {
        return estimator;
    }

    /** Whether it failed a moment ago, so that others are asked first. */
    boolean isSuspect() {
        return suspect && clock.nanoTime() - suspectUntilNanos < 0;
    }

    /** A call failed, or took longer than anybody waits. */
    void suspectFor(long nanos) {
        suspectUntilNanos = clock.nanoTime() + nanos;
        suspect = true;
    }

    /** What carries messages to the node. */
    Transport transport() {
        return transport;
    }

    /** The map of the node's cluster; an older node's is that of itself alone. */
    ClusterMap map(Deadline deadline) {
        try {
            return ClusterMap.parse(ByteBuffer.wrap(result("map", new byte[0], deadline)));
        } catch (InvalidRequestException e) {
            return ClusterMap.alone();
        }
    }

    List<PutReply> put(PutCommand command, List<MemorySegment> frames, Deadline deadline) {
        return transport.put(command, frames, deadline);
    }

    /** The one result of an action. */
    byte[] result(String action, byte[] body, Deadline deadline) {
        return results(action, body, deadline).stream()
                .findFirst()
                .orElseThrow(
                        () ->
                                new UnavailableException(
                                        "node " + endpoint + " answered nothing to " + action));
    }

    List<byte[]> results(String action, byte[] body, Deadline deadline) {
        List<byte[]> out = transport.results(action, body, deadline);
        suspect = false; // it came back
        return out;
    }

    /** The open exchange of a namespace, or a new one. */
    SegmentLink link(Digest namespace) {
        return transport.link(namespace);
    }

    @Override
    public void close() {
        transport.close();
    }
}
