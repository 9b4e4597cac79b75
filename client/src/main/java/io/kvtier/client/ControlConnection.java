package io.kvtier.client;

import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.ControlReply;
import io.kvtier.codec.wire.ControlRequest;
import java.nio.ByteBuffer;
import java.time.Duration;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;

/**
 * A connection to one node's part of the control plane: heartbeats, commands, the map. It asks that
 * node and no other, so a reply may be that another one leads.
 *
 * <p>Thread-safety: all methods. Errors: a {@link io.kvtier.codec.error.KvtierException}.
 */
public final class ControlConnection implements AutoCloseable {
    private static final long MEMORY_BYTES_MAX = 16L << 20;

    private final NanoClock clock = NanoClock.system();
    private final BufferAllocator allocator;
    private final NodeConnection node;

    private ControlConnection(String endpoint, ClientOptions options) {
        this.allocator = new RootAllocator(MEMORY_BYTES_MAX);
        Transport transport = new FlightTransport(endpoint, options, allocator);
        this.node = new NodeConnection(endpoint, transport, options, clock);
    }

    /** Makes a connection to {@code host:port}, which the first call uses. */
    public static ControlConnection connect(String endpoint, ClientOptions options) {
        return new ControlConnection(endpoint, options);
    }

    /** {@code host:port} of the node. */
    public String endpoint() {
        return node.endpoint();
    }

    /** Asks for something that the leader of the voters does. */
    public ControlReply send(ControlRequest request, Duration time) {
        byte[] reply = node.result("control", request.toBytes(), Deadline.after(time, clock));
        return ControlReply.parse(ByteBuffer.wrap(reply));
    }

    /** The map that the node knows. */
    public ClusterMap map(Duration time) {
        return node.map(Deadline.after(time, clock));
    }

    @Override
    public void close() {
        node.close();
        allocator.close();
    }
}
