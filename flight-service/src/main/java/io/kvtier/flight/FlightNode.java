package io.kvtier.flight;

import io.grpc.netty.NettyServerBuilder;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.flight.share.LinkBroker;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.NanoClock;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import javax.net.ssl.SSLContext;
import org.apache.arrow.flight.FlightServer;
import org.apache.arrow.flight.Location;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;

/**
 * A running Flight service over a chunk store.
 *
 * <p>Ownership: store, pool and profiles are lent and must outlive it. Thread-safety: all methods.
 */
public final class FlightNode implements AutoCloseable {
    private final BufferAllocator root;
    private final BufferAllocator inbound;
    private final BufferAllocator outbound;
    private final ExecutorService executor;
    private final NodeContext context;
    private final Optional<NodeTls> tls;
    private final FlightServer server;

    /** What a node works on. */
    public record Parts(
            ChunkStore store,
            BlobPool pool,
            ProfileStore profiles,
            Function<ServiceReport, String> stats,
            Authenticator authenticator,
            ControlService control,
            TimesToLive times,
            Optional<TlsFiles> tls) {}

    private FlightNode(FlightOptions options, Parts parts) {
        NanoClock clock = NanoClock.system();
        tls = parts.tls().map(NodeTls::new);
        root = new RootAllocator(options.inboundBytesMax() + 2 * options.inFlightBytesMax());
        inbound = root.newChildAllocator("inbound", 0, options.inboundBytesMax());
        outbound = root.newChildAllocator("outbound", 0, 2 * options.inFlightBytesMax());
        executor =
                Executors.newThreadPerTaskExecutor(
                        Thread.ofVirtual().name("kvtier-flight-", 0).factory());
        CallMemory memory = new CallMemory(outbound, clock);
        context =
                new NodeContext(
                        options,
                        parts.store(),
                        parts.pool(),
                        parts.profiles(),
                        () -> parts.stats().apply(report()),
                        parts.control(),
                        parts.times(),
                        memory,
                        new InFlightBudget(options.inFlightBytesMax()),
                        new LinkBroker(options.bytesPerSecond(), options.streamsMax(), clock),
                        new StreamWatch(clock, memory::sweep),
                        executor,
                        clock,
                        new ServiceMeter(clock));
        server = build(options, parts.authenticator());
    }

    /**
     * Starts serving.
     *
     * @throws UnavailableException if the address cannot be bound
     */
    public static FlightNode start(FlightOptions options, Parts parts) {
        FlightNode node = new FlightNode(options, parts);
        try {
            var _ = node.server.start();
            return node;
        } catch (IOException e) {
            node.release();
            throw new UnavailableException(
                    "cannot listen on "
                            + options.host()
                            + ":"
                            + options.port()
                            + ": is the port taken? "
                            + e.getMessage(),
                    e);
        }
    }

    /** The port that is listened on. */
    public int port() {
        return server.getPort();
    }

    /** What was counted since the start, and what is under way. */
    public ServiceReport report() {
        return context.meter()
                .report(
                        context.watch(),
                        context.memory(),
                        context.budget(),
                        context.options().inFlightBytesMax());
    }

    /** TLS with the node's certificate as it is at each handshake, where there is one. */
    public Optional<SSLContext> ssl() {
        return tls.map(NodeTls::serverOnly);
    }

    /** Segment and put streams under way. */
    public int streams() {
        return context.watch().streams();
    }

    /** Calls whose memory is not all given back: 0 when nothing is under way and nothing leaks. */
    public int openCalls() {
        return context.memory().openCalls();
    }

    /** Bytes handed to the network and not yet sent. */
    public long inFlightBytes() {
        return context.budget().bytes();
    }

    /**
     * Stops: streams are ended with a status, calls get a moment, memory is counted.
     *
     * @throws IllegalStateException if memory leaked
     */
    @Override
    public void close() {
        server.shutdown();
        context.watch().cutAll();
        try {
            if (!server.awaitTermination(1, TimeUnit.SECONDS)) {
                server.close();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        release();
    }

    private void release() {
        executor.shutdownNow();
        try {
            var _ = executor.awaitTermination(2, TimeUnit.SECONDS);
            // The network lets go of the last buffers a little after the last call.
            for (int i = 0; i < 100 && root.getAllocatedMemory() > 0; i++) {
                var _ = new java.util.concurrent.CountDownLatch(1).await(10, TimeUnit.MILLISECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        tls.ifPresent(NodeTls::close);
        context.watch().close();
        context.memory().sweep();
        outbound.close();
        inbound.close();
        root.close();
    }

    private FlightServer build(FlightOptions options, Authenticator authenticator) {
        Consumer<NettyServerBuilder> netty =
                builder ->
                        builder.addStreamTracerFactory(new CallCut.Starter())
                                .addTransportFilter(new Connections(context.store()))
                                .maxConcurrentCallsPerConnection(options.callsMax())
                                .keepAliveTime(30, TimeUnit.SECONDS)
                                .keepAliveTimeout(10, TimeUnit.SECONDS)
                                .permitKeepAliveTime(5, TimeUnit.SECONDS)
                                .permitKeepAliveWithoutCalls(true)
                                .handshakeTimeout(5, TimeUnit.SECONDS);
        // Flight's own TLS reads its files once; this one follows them.
        Consumer<NettyServerBuilder> transport =
                tls.<Consumer<NettyServerBuilder>>map(
                                files -> netty.andThen(b -> b.sslContext(files.context())))
                        .orElse(netty);
        return FlightServer.builder(
                        inbound,
                        Location.forGrpcInsecure(options.host(), options.port()),
                        new NodeProducer(context))
                .executor(executor)
                .maxInboundMessageSize(options.messageBytesMax())
                .setMaxHeaderListSize(options.headerBytesMax())
                .backpressureThreshold(options.sliceBytes())
                .middleware(AuthMiddleware.KEY, new AuthMiddleware.Starter(authenticator))
                .transportHint("grpc.builderConsumer", transport)
                .build();
    }
}
