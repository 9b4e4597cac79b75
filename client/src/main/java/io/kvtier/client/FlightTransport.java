package io.kvtier.client;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.GetTicket;
import io.kvtier.codec.wire.PutCommand;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.codec.wire.StreamCommand;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.arrow.flight.Action;
import org.apache.arrow.flight.CallOption;
import org.apache.arrow.flight.FlightCallHeaders;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.HeaderCallOption;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.Result;
import org.apache.arrow.memory.BufferAllocator;

/**
 * A channel to one node by Arrow Flight, with its open exchanges.
 *
 * <p>Ownership: the allocator is lent and must outlive it. Thread-safety: all methods.
 */
final class FlightTransport implements Transport {
    private final String endpoint;
    private final ClientOptions options;
    private final BufferAllocator allocator;
    private final FlightClient client;
    private final CallOption[] callOptions;
    private final Map<Digest, SegmentLink> links = new LinkedHashMap<>(16, 0.75f, true);
    private boolean closed;

    /**
     * Makes the channel; the connection is made by the first call.
     *
     * @param endpoint {@code host:port}
     * @throws InvalidRequestException for any other endpoint
     */
    FlightTransport(String endpoint, ClientOptions options, BufferAllocator allocator) {
        this.endpoint = endpoint;
        this.options = options;
        this.allocator = allocator;
        int colon = endpoint.lastIndexOf(':');
        int port = port(endpoint, colon);
        String host = endpoint.substring(0, colon);
        this.client = flightClient(host, port);
        this.callOptions = credentials(options.authorization());
    }

    private FlightClient flightClient(String host, int port) {
        Location location =
                options.tls().isPresent()
                        ? Location.forGrpcTls(host, port)
                        : Location.forGrpcInsecure(host, port);
        FlightClient.Builder builder =
                FlightClient.builder(allocator, location)
                        .maxInboundMessageSize(options.messageBytesMax());
        options.tls().ifPresent(tls -> tls.configure(builder));
        return builder.build();
    }

    @Override
    public Delivery get(GetCall call, GetTicket ticket, Deadline deadline) {
        return call.run(client, ticket, withDeadline(deadline));
    }

    @Override
    public List<PutReply> put(PutCommand command, List<MemorySegment> frames, Deadline deadline) {
        return new PutCall(endpoint, allocator, deadline)
                .run(client, command, frames, withDeadline(deadline));
    }

    @Override
    public List<byte[]> results(String action, byte[] body, Deadline deadline) {
        try {
            Iterator<Result> results =
                    client.doAction(new Action(action, body), withDeadline(deadline));
            List<byte[]> out = new ArrayList<>();
            results.forEachRemaining(result -> out.add(result.getBody()));
            return out;
        } catch (FlightRuntimeException e) {
            throw NodeErrors.of(endpoint, e);
        }
    }

    @Override
    public SegmentLink link(Digest namespace) {
        synchronized (links) {
            if (closed) {
                throw new UnavailableException("the client is closed");
            }
            SegmentLink known = links.get(namespace);
            if (known != null && !known.isBroken()) {
                return known;
            }
            SegmentLink fresh =
                    new FlightLink(
                                    endpoint,
                                    client,
                                    allocator,
                                    new StreamCommand(namespace),
                                    callOptions)
                            .start();
            links.put(namespace, fresh);
            if (links.size() > options.namespacesMax()) {
                Iterator<SegmentLink> eldest = links.values().iterator();
                SegmentLink dropped = eldest.next();
                eldest.remove();
                dropped.close();
            }
            return fresh;
        }
    }

    private CallOption[] withDeadline(Deadline deadline) {
        CallOption[] out = new CallOption[callOptions.length + 1];
        System.arraycopy(callOptions, 0, out, 0, callOptions.length);
        out[callOptions.length] = deadline.callOption();
        return out;
    }

    @Override
    public void close() {
        List<SegmentLink> open;
        synchronized (links) {
            closed = true;
            open = List.copyOf(links.values());
            links.clear();
        }
        open.forEach(SegmentLink::close);
        try {
            client.close();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static int port(String endpoint, int colon) {
        try {
            int port = Integer.parseInt(endpoint.substring(colon + 1));
            InvalidRequestException.check(
                    colon > 0 && port > 0 && port < 65536, "endpoint", endpoint, "host:port");
            return port;
        } catch (NumberFormatException e) {
            throw new InvalidRequestException("endpoint is " + endpoint + ", expected host:port");
        }
    }

    private static CallOption[] credentials(String authorization) {
        if (authorization.isEmpty()) {
            return new CallOption[0];
        }
        FlightCallHeaders headers = new FlightCallHeaders();
        headers.insert("authorization", authorization);
        return new CallOption[] {new HeaderCallOption(headers)};
    }
}
