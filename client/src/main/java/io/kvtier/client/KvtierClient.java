package io.kvtier.client;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.kvtier.codec.FrameCodec;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.wire.GetTicket;
import io.kvtier.codec.wire.LookupCommand;
import io.kvtier.codec.wire.LookupReply;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.ProfilePiece;
import io.kvtier.codec.wire.PutCommand;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.codec.wire.StreamCommand;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.arrow.flight.Action;
import org.apache.arrow.flight.CallOption;
import org.apache.arrow.flight.FlightCallHeaders;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.HeaderCallOption;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.Result;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;

/**
 * A connection to one cache node: put frames, find the longest held prefix, stream it back.
 *
 * <p>Thread-safety: all methods. Every call returns by its deadline.
 *
 * <p>Errors: a {@link io.kvtier.codec.error.KvtierException}, whose type says what to do; a miss, a
 * rejected frame and a stream that was cut are results.
 */
public final class KvtierClient implements AutoCloseable {
    private static final int PIECE_BYTES = 4 << 20;

    private final String node;
    private final ClientOptions options;
    private final NanoClock clock = NanoClock.system();
    private final BufferAllocator allocator;
    private final FlightClient client;
    private final CallOption[] callOptions;
    private final GoodputEstimator estimator;
    private final Map<Digest, SegmentLink> links = new LinkedHashMap<>(16, 0.75f, true);
    private boolean closed;

    private KvtierClient(String host, int port, ClientOptions options) {
        this.node = host + ":" + port;
        this.options = options;
        this.allocator = new RootAllocator(options.memoryBytesMax());
        this.client =
                FlightClient.builder(allocator, Location.forGrpcInsecure(host, port))
                        .maxInboundMessageSize(options.messageBytesMax())
                        .build();
        this.callOptions = credentials(options.authorization());
        this.estimator = new GoodputEstimator(options.coldBytesPerSecond());
    }

    /**
     * Makes a client; the connection is made by the first call.
     *
     * @param endpoint {@code host:port}
     * @throws InvalidRequestException for any other endpoint
     */
    public static KvtierClient connect(String endpoint, ClientOptions options) {
        int colon = endpoint.lastIndexOf(':');
        try {
            int port = Integer.parseInt(endpoint.substring(colon + 1));
            InvalidRequestException.check(
                    colon > 0 && port > 0 && port < 65536, "endpoint", endpoint, "host:port");
            return new KvtierClient(endpoint.substring(0, colon), port, options);
        } catch (NumberFormatException e) {
            throw new InvalidRequestException("endpoint is " + endpoint + ", expected host:port");
        }
    }

    /** A deadline so long from now. */
    public Deadline within(Duration time) {
        return Deadline.after(time, clock);
    }

    /**
     * Puts frames, each verified by the node before it is visible.
     *
     * <p>Ownership: the frames are lent, and copied before the call returns.
     *
     * @return one reply a frame, in order
     */
    public List<PutReply> put(
            Namespace namespace,
            List<MemorySegment> frames,
            Persistence durability,
            Deadline deadline) {
        long bytesMax = (long) options.messageBytesMax() - PutCall.OVERHEAD_BYTES;
        for (MemorySegment frame : frames) {
            InvalidRequestException.check(
                    frame.byteSize() >= 1 && frame.byteSize() <= bytesMax,
                    "frame bytes",
                    frame.byteSize(),
                    "1.." + bytesMax + " (messageBytesMax, less what surrounds a frame)");
        }
        PutCommand command = new PutCommand(durability, 1, namespace);
        return new PutCall(node, allocator, deadline)
                .run(client, command, frames, withDeadline(deadline));
    }

    /** The longest held prefix of a prompt, a shorter last chunk included. */
    public Match match(Namespace namespace, int[] tokens, Deadline deadline) {
        List<Digest> keys = KeyChain.withRest(namespace, tokens);
        List<Digest> tokenDigests = new ArrayList<>(keys.size());
        int size = namespace.chunkTokens();
        for (int i = 0; i < keys.size(); i++) {
            int count = Math.min(size, tokens.length - i * size);
            tokenDigests.add(KeyChain.tokenDigest(tokens, i * size, count));
        }
        return match(namespace, keys, tokenDigests, tokens, deadline);
    }

    /** The longest held prefix of a chain of keys. */
    public Match match(Namespace namespace, List<Digest> keys, Deadline deadline) {
        return match(namespace, keys, List.of(), new int[0], deadline);
    }

    /**
     * Streams a match to the sink until the plan is fulfilled, the deadline is there, or computing
     * turns out to be faster.
     *
     * <p>The sink is called from this thread, and not after the return.
     *
     * @param deadline of the request: decoding and, where its cost is known, computing included
     */
    public Delivery open(Match match, Deadline deadline, StreamOptions stream, SegmentSink sink) {
        estimator.hint(match.bytesPerSecond());
        Digest namespace = match.namespace().digest();
        return new StreamSession(
                        match,
                        sink,
                        deadline.earlier(stream.decodeNanosAfter()),
                        stream,
                        options,
                        estimator,
                        clock,
                        _ -> link(namespace))
                .run();
    }

    /**
     * Streams a match and decodes it, both before the deadline.
     *
     * @param codec of the match's namespace
     * @param stream whose decode time for a chunk is kept free for every chunk
     * @return blocks on the heap, one for each chunk that was decoded in time
     */
    public Fetched fetch(Match match, FrameCodec codec, Deadline deadline, StreamOptions stream) {
        InvalidRequestException.check(
                codec.namespace().equals(match.namespace()),
                "codec's namespace",
                codec.namespace().digest(),
                match.namespace().digest());
        return new ChunkFetch(this, match, codec, deadline, clock)
                .run(stream, options.memoryBytesMax());
    }

    /**
     * Streams a match by one DoGet, the node doing the planning: simple, but not adaptive. Of the
     * options only the highest rung counts.
     */
    public Delivery get(Match match, Deadline deadline, StreamOptions stream, SegmentSink sink) {
        if (match.isMiss()) {
            double rate = estimator.bytesPerSecond();
            return new Delivery(0, 0, 0, List.of(), Delivery.Cut.NONE, "", 0, 0, rate, 0, 0);
        }
        GetTicket ticket =
                new GetTicket(
                        match.namespace().digest(),
                        Math.max(1, deadline.nanosLeft()),
                        (long) estimator.bytesPerSecond(),
                        stream.rungMax(),
                        match.keys().subList(0, match.chunks().size()));
        return new GetCall(node, match, deadline, options, sink, estimator, clock)
                .run(client, ticket, withDeadline(deadline));
    }

    /** What the node counts, as JSON. */
    public String stats(Deadline deadline) {
        return new String(
                results("stats", new byte[0], deadline).stream()
                        .findFirst()
                        .orElseThrow(() -> missing("stats")),
                UTF_8);
    }

    /** Stores a profile and returns its id. */
    public Digest putProfile(byte[] file, Deadline deadline) {
        Digest id = Digest.sha256(file);
        for (int at = 0; at < file.length; at += PIECE_BYTES) {
            ByteBuffer piece = ByteBuffer.wrap(file, at, Math.min(PIECE_BYTES, file.length - at));
            byte[] body = new ProfilePiece(id, file.length, at, piece).toBytes();
            List<byte[]> _ = results("put-profile", body, deadline);
        }
        return id;
    }

    /** A profile by its id, checked against it; empty when the node does not have it. */
    public Optional<byte[]> profile(Digest id, Deadline deadline) {
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        results("get-profile", id.toBytes(), deadline).forEach(file::writeBytes);
        if (file.size() == 0) {
            return Optional.empty();
        }
        byte[] bytes = file.toByteArray();
        Digest actual = Digest.sha256(bytes);
        CorruptChunkException.check(actual.equals(id), "SHA-256 of a profile", id, actual);
        return Optional.of(bytes);
    }

    /** What streams have taught about the link to this node. */
    public GoodputEstimator estimator() {
        return estimator;
    }

    /** Bytes of the wire held now: 0 when nothing is under way and nothing leaks. */
    public long heldBytes() {
        return allocator.getAllocatedMemory();
    }

    /**
     * Ends all streams and the connection.
     *
     * @throws IllegalStateException if memory leaked
     */
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
        allocator.close();
    }

    private Match match(
            Namespace namespace,
            List<Digest> keys,
            List<Digest> digests,
            int[] tokens,
            Deadline deadline) {
        InvalidRequestException.check(
                keys.size() <= LookupCommand.KEYS_MAX,
                "keys of a lookup",
                keys.size(),
                "at most " + LookupCommand.KEYS_MAX);
        LookupCommand command = new LookupCommand(namespace.digest(), keys);
        long start = clock.nanoTime();
        byte[] body =
                results("lookup", command.toBytes(), deadline).stream()
                        .findFirst()
                        .orElseThrow(() -> missing("lookup"));
        estimator.roundTrip(clock.nanoTime() - start);
        LookupReply reply = LookupReply.parse(ByteBuffer.wrap(body));
        return new Match(namespace, keys, digests, tokens, reply.chunks(), reply.bytesPerSecond());
    }

    private List<byte[]> results(String action, byte[] body, Deadline deadline) {
        try {
            Iterator<Result> results =
                    client.doAction(new Action(action, body), withDeadline(deadline));
            List<byte[]> out = new ArrayList<>();
            results.forEachRemaining(result -> out.add(result.getBody()));
            return out;
        } catch (FlightRuntimeException e) {
            throw NodeErrors.of(node, e);
        }
    }

    private SegmentLink link(Digest namespace) {
        synchronized (links) {
            if (closed) {
                throw new UnavailableException("the client is closed");
            }
            SegmentLink known = links.get(namespace);
            if (known != null && !known.isBroken()) {
                return known;
            }
            SegmentLink fresh =
                    new SegmentLink(
                                    node,
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

    private static CallOption[] credentials(String authorization) {
        if (authorization.isEmpty()) {
            return new CallOption[0];
        }
        FlightCallHeaders headers = new FlightCallHeaders();
        headers.insert("authorization", authorization);
        return new CallOption[] {new HeaderCallOption(headers)};
    }

    private UnavailableException missing(String action) {
        return new UnavailableException("node " + node + " answered nothing to " + action);
    }
}
