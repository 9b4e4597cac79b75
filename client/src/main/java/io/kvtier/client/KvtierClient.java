package io.kvtier.client;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.kvtier.client.placement.Placement;
import io.kvtier.codec.FrameCodec;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.plan.Recompute;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.GetTicket;
import io.kvtier.codec.wire.LookupCommand;
import io.kvtier.codec.wire.LookupReply;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.ProfilePiece;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.codec.wire.RetentionCommand;
import io.kvtier.codec.wire.RetentionReply;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;

/**
 * A client of a cache node, or of a cluster of them: put frames, find the longest held prefix,
 * stream it back. Owners are computed from the cluster's map, which comes from the first node that
 * answers and is renewed beside the calls; a node in no cluster is a cluster of itself.
 *
 * <p>Thread-safety: all methods. Every call returns by its deadline.
 *
 * <p>Errors: a {@link io.kvtier.codec.error.KvtierException}, whose type says what to do; a miss, a
 * rejected frame and a stream that was cut are results.
 */
public final class KvtierClient implements AutoCloseable {
    private static final int PIECE_BYTES = 4 << 20;
    private static final int SEEDS_MAX = 16;

    private final ClientOptions options;
    private final NanoClock clock;
    private final BufferAllocator allocator;
    private final ExecutorService executor;
    private final Tasks tasks;
    private final BackgroundCopies later;
    private final ClusterNodes nodes;

    /**
     * What a client runs on.
     *
     * @param executor of the tasks, closed with the client
     * @param allocator of the transports, closed with the client
     * @param transports carry messages to an endpoint, or refuse what is none
     */
    record Surroundings(
            NanoClock clock,
            Tasks tasks,
            ExecutorService executor,
            BufferAllocator allocator,
            Function<String, Transport> transports) {}

    KvtierClient(List<String> seeds, ClientOptions options, Surroundings on) {
        InvalidRequestException.check(
                !seeds.isEmpty() && seeds.size() <= SEEDS_MAX,
                "seeds",
                seeds.size(),
                "1.." + SEEDS_MAX);
        this.options = options;
        this.clock = on.clock();
        this.allocator = on.allocator();
        this.executor = on.executor();
        this.tasks = on.tasks();
        this.later = new BackgroundCopies(options.memoryBytesMax() / 4, tasks, clock);
        this.nodes =
                new ClusterNodes(
                        seeds,
                        endpoint -> {
                            Transport transport = on.transports().apply(endpoint);
                            return new NodeConnection(endpoint, transport, options, on.clock());
                        },
                        tasks,
                        clock);
    }

    private static KvtierClient onThreads(List<String> seeds, ClientOptions options) {
        ExecutorService executor =
                Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("kvtier-", 0).factory());
        BufferAllocator allocator = new RootAllocator(options.memoryBytesMax());
        return new KvtierClient(
                seeds,
                options,
                new Surroundings(
                        NanoClock.system(),
                        new ThreadTasks(executor),
                        executor,
                        allocator,
                        endpoint -> new FlightTransport(endpoint, options, allocator)));
    }

    /**
     * Makes a client of one node or of its cluster; the connection is made by the first call.
     *
     * @param endpoint {@code host:port}
     * @throws InvalidRequestException for any other endpoint
     */
    public static KvtierClient connect(String endpoint, ClientOptions options) {
        return onThreads(List.of(endpoint), options);
    }

    /**
     * Makes a client of a cluster, some nodes of which are at these endpoints; any that answers
     * tells of the others.
     */
    public static KvtierClient connect(List<String> endpoints, ClientOptions options) {
        return onThreads(endpoints, options);
    }

    /** A deadline so long from now. */
    public Deadline within(Duration time) {
        return Deadline.after(time, clock);
    }

    /** Puts frames, one copy of each being acknowledged; see the other put. */
    public List<PutReply> put(
            Namespace namespace,
            List<MemorySegment> frames,
            Persistence durability,
            Deadline deadline) {
        return put(namespace, frames, PutOptions.of(durability), deadline);
    }

    /**
     * Puts frames, each verified by its nodes before it is visible.
     *
     * <p>Ownership: the frames are lent, and copied before the call returns.
     *
     * @return one reply a frame, in order; its copies are those that reached the durability, which
     *     may be fewer than were asked for
     */
    public List<PutReply> put(
            Namespace namespace, List<MemorySegment> frames, PutOptions put, Deadline deadline) {
        long bytesMax = (long) options.messageBytesMax() - PutCall.OVERHEAD_BYTES;
        for (MemorySegment frame : frames) {
            InvalidRequestException.check(
                    frame.byteSize() >= 1 && frame.byteSize() <= bytesMax,
                    "frame bytes",
                    frame.byteSize(),
                    "1.." + bytesMax + " (messageBytesMax, less what surrounds a frame)");
        }
        Placement placement = nodes.placement(deadline);
        if (placement.map().members().size() == 1) {
            return nodes.any().put(put.command(namespace), frames, deadline);
        }
        return new ClusterPut(nodes, placement, namespace, put, deadline, tasks, later, clock)
                .run(frames, options.decodeLimits());
    }

    /**
     * The longest held prefix of a prompt, a shorter last chunk included. In a namespace of states,
     * which stand for all tokens before their end, it is the state of exactly this prompt, or
     * nothing.
     */
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
     * @param deadline of the request: decoding and, where its cost is known, computing included; a
     *     state is not weighed against computing
     */
    public Delivery open(Match match, Deadline deadline, StreamOptions given, SegmentSink sink) {
        // Its chunk is the last one only, but stands for the cost of all before it.
        boolean isState = match.namespace().geometry().isState();
        StreamOptions stream = isState ? given.withRecompute(Recompute.UNKNOWN) : given;
        Deadline end = deadline.earlier(stream.decodeNanosAfter());
        boolean spread = match.holders().stream().anyMatch(holders -> holders.size() > 1);
        List<String> homes =
                match.holders().stream()
                        .map(each -> each.getFirst().endpoint())
                        .distinct()
                        .toList();
        if (spread || homes.size() > 1) {
            return new ClusterStream(nodes, match, end, stream, options, sink, tasks, clock).run();
        }
        NodeConnection node = homes.isEmpty() ? nodes.any() : nodes.connection(homes.getFirst());
        node.estimator().hint(match.bytesPerSecond());
        Digest namespace = match.namespace().digest();
        return new StreamSession(
                        match,
                        sink,
                        end,
                        stream,
                        options,
                        node.estimator(),
                        clock,
                        tasks,
                        _ -> node.link(namespace))
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
     * Streams a match by one DoGet, the node doing the planning: simple, but not adaptive, and from
     * one node only, that of the first chunk. Of the options only the highest rung counts.
     */
    public Delivery get(Match match, Deadline deadline, StreamOptions stream, SegmentSink sink) {
        NodeConnection node =
                match.holders().isEmpty()
                        ? nodes.any()
                        : nodes.connection(match.holders().getFirst().getFirst().endpoint());
        GoodputEstimator estimator = node.estimator();
        if (match.isMiss()) {
            double rate = estimator.bytesPerSecond();
            return new Delivery(
                    0, 0, 0, List.of(), Delivery.Cut.NONE, "", 0, 0, rate, 0, 0, List.of(), 0);
        }
        GetTicket ticket =
                new GetTicket(
                        match.namespace().digest(),
                        Math.max(1, deadline.nanosLeft()),
                        (long) estimator.bytesPerSecond(),
                        stream.rungMax(),
                        match.keys().subList(0, match.chunks().size()));
        GetCall call =
                new GetCall(node.endpoint(), match, deadline, options, sink, estimator, clock);
        return node.transport().get(call, ticket, deadline);
    }

    /**
     * Pins chunks, sets when they expire, or removes them, on every node that answers: any may hold
     * copies. Takes a writer's token, for pins an administrator's.
     *
     * @return for each key, what the node that holds it says
     * @throws io.kvtier.codec.error.OverloadedException if a node cannot pin so much; it has pinned
     *     none of them then
     */
    public RetentionReply retain(RetentionCommand command, Deadline deadline) {
        KvtierException failure = null;
        RetentionReply reply = null;
        for (NodeConnection node : nodes.reachable(deadline)) {
            try {
                byte[] body = node.result("retain", command.toBytes(), deadline);
                RetentionReply mine = RetentionReply.parse(ByteBuffer.wrap(body));
                reply = reply == null ? mine : reply.and(mine);
            } catch (UnavailableException e) {
                nodes.failed(node);
                failure = e;
            }
        }
        if (reply == null) {
            throw failure == null ? new UnavailableException("no node could be reached") : failure;
        }
        return reply;
    }

    /** What the node counts, as JSON; in a cluster, the node that told the map. */
    public String stats(Deadline deadline) {
        return new String(nodes.any().result("stats", new byte[0], deadline), UTF_8);
    }

    /**
     * Why one node holds chunks or does not, as a JSON array; a namespace of zeros stands for any.
     */
    public String explain(LookupCommand command, Deadline deadline) {
        return new String(nodes.any().result("explain", command.toBytes(), deadline), UTF_8);
    }

    /** Stores a profile on every node that answers, and returns its id. */
    public Digest putProfile(byte[] file, Deadline deadline) {
        Digest id = Digest.sha256(file);
        KvtierException failure = new UnavailableException("no node could be reached");
        boolean stored = false;
        for (NodeConnection node : nodes.reachable(deadline)) {
            try {
                putProfile(node, id, file, deadline);
                stored = true;
            } catch (KvtierException e) {
                nodes.failed(node);
                failure = e;
            }
        }
        if (!stored) {
            throw failure;
        }
        return id;
    }

    /** A profile by its id, checked against it; empty when no node has it. */
    public Optional<byte[]> profile(Digest id, Deadline deadline) {
        KvtierException failure = null;
        for (NodeConnection node : nodes.reachable(deadline)) {
            try {
                Optional<byte[]> found = profile(node, id, deadline);
                if (found.isPresent()) {
                    return found;
                }
            } catch (UnavailableException e) {
                nodes.failed(node);
                failure = e;
            }
        }
        if (failure != null) {
            throw failure;
        }
        return Optional.empty();
    }

    /** The cluster's map as far as this client knows it. */
    public ClusterMap map(Deadline deadline) {
        return nodes.placement(deadline).map();
    }

    /** What streams have taught about the link to the node that told the map. */
    public GoodputEstimator estimator() {
        return nodes.any().estimator();
    }

    /** Bytes of the wire held now: 0 when nothing is under way and nothing leaks. */
    public long heldBytes() {
        return allocator.getAllocatedMemory();
    }

    /** Copies for which nobody waited and that were not made. */
    public long droppedCopies() {
        return later.dropped();
    }

    /**
     * Ends all streams and connections; copies that are still to be made get a moment.
     *
     * @throws IllegalStateException if memory leaked
     */
    @Override
    public void close() {
        later.close();
        executor.shutdownNow();
        nodes.close();
        try {
            boolean _ = executor.awaitTermination(2, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        allocator.close();
    }

    private static void putProfile(NodeConnection node, Digest id, byte[] file, Deadline deadline) {
        for (int at = 0; at < file.length; at += PIECE_BYTES) {
            ByteBuffer piece = ByteBuffer.wrap(file, at, Math.min(PIECE_BYTES, file.length - at));
            byte[] body = new ProfilePiece(id, file.length, at, piece).toBytes();
            List<byte[]> _ = node.results("put-profile", body, deadline);
        }
    }

    private static Optional<byte[]> profile(NodeConnection node, Digest id, Deadline deadline) {
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        node.results("get-profile", id.toBytes(), deadline).forEach(file::writeBytes);
        if (file.size() == 0) {
            return Optional.empty();
        }
        byte[] bytes = file.toByteArray();
        Digest actual = Digest.sha256(bytes);
        CorruptChunkException.check(actual.equals(id), "SHA-256 of a profile", id, actual);
        return Optional.of(bytes);
    }

    private Match match(
            Namespace namespace,
            List<Digest> keys,
            List<Digest> digests,
            int[] tokens,
            Deadline deadline) {
        if (namespace.geometry().isState() && keys.size() > 1) {
            List<Digest> digest = digests.isEmpty() ? List.of() : List.of(digests.getLast());
            return match(namespace, List.of(keys.getLast()), digest, new int[0], deadline);
        }
        InvalidRequestException.check(
                keys.size() <= LookupCommand.KEYS_MAX,
                "keys of a lookup",
                keys.size(),
                "at most " + LookupCommand.KEYS_MAX);
        Placement placement = nodes.placement(deadline);
        if (placement.map().members().size() == 1) {
            return matchAtOne(namespace, keys, digests, tokens, deadline);
        }
        List<List<Holder>> holders =
                new ClusterLookup(
                                nodes,
                                placement,
                                namespace.digest(),
                                keys,
                                namespace.chunkTokens(),
                                deadline,
                                tasks,
                                clock)
                        .run();
        List<ChunkDirectory> chunks =
                holders.stream().map(each -> each.getFirst().directory()).toList();
        return new Match(namespace, keys, digests, tokens, chunks, 0, holders);
    }

    private Match matchAtOne(
            Namespace namespace,
            List<Digest> keys,
            List<Digest> digests,
            int[] tokens,
            Deadline deadline) {
        NodeConnection node = nodes.any();
        LookupCommand command = new LookupCommand(namespace.digest(), keys);
        long start = clock.nanoTime();
        byte[] body = node.result("lookup", command.toBytes(), deadline);
        node.estimator().roundTrip(clock.nanoTime() - start);
        LookupReply reply = LookupReply.parse(ByteBuffer.wrap(body));
        return new Match(namespace, keys, digests, tokens, reply.chunks(), reply.bytesPerSecond());
    }
}
