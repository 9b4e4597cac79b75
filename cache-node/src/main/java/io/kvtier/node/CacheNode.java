package io.kvtier.node;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.ClientTls;
import io.kvtier.codec.identity.Digest;
import io.kvtier.config.ClusterConfig;
import io.kvtier.config.NodeConfig;
import io.kvtier.config.RetentionConfig;
import io.kvtier.flight.Authenticator;
import io.kvtier.flight.BearerTokens;
import io.kvtier.flight.ControlService;
import io.kvtier.flight.FlightNode;
import io.kvtier.flight.FlightOptions;
import io.kvtier.flight.FolderProfileStore;
import io.kvtier.flight.ServiceReport;
import io.kvtier.flight.TimesToLive;
import io.kvtier.flight.TlsFiles;
import io.kvtier.node.admin.AdminOptions;
import io.kvtier.node.admin.AdminServer;
import io.kvtier.node.admin.NodeReport;
import io.kvtier.node.admin.Readiness;
import io.kvtier.node.control.ControlPlane;
import io.kvtier.storage.BlobPool;
import io.kvtier.storage.BlobPoolOptions;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.HotTier;
import io.kvtier.storage.HotTierOptions;
import io.kvtier.storage.LossLog;
import io.kvtier.storage.NanoClock;
import io.kvtier.storage.Retention;
import io.kvtier.storage.RetentionOptions;
import io.kvtier.storage.RocksChunkStore;
import io.kvtier.storage.RocksStoreOptions;
import io.kvtier.storage.TicketOptions;
import io.kvtier.storage.TicketedChunkStore;
import io.kvtier.storage.TieredChunkStore;
import io.kvtier.storage.log.LogChunkStore;
import io.kvtier.storage.log.LogStoreOptions;
import io.kvtier.storage.log.LogSurroundings;
import io.kvtier.storage.log.ScrubTask;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * A running node: memory pool, two tiers, Flight service. The composition root, where a
 * configuration becomes options.
 *
 * <p>Ownership: {@link #close} stops all in the reverse order of their start. Thread-safety: all
 * methods.
 */
final class CacheNode implements AutoCloseable {
    private static final long PROFILE_BYTES_MAX = 1L << 30;
    private static final long SWEEP_MILLIS = 250;

    /** One scrubs, which may wait for the disk; one sweeps, which must not. */
    private static final int UPKEEP_THREADS = 2;

    private final Deque<AutoCloseable> parts = new ArrayDeque<>();
    private final NanoClock clock = NanoClock.system();
    private final long startedNanos = clock.nanoTime();
    private final LossLog losses = new LossLog(LossLog.ENTRIES, clock);
    private final InstantSource instants = InstantSource.system();
    private final NodeConfig config;
    private boolean closed;

    /** Both set once, at the end of the start. */
    private int port;

    private volatile String adminUrl = "";

    private CacheNode(NodeConfig config) {
        this.config = config;
    }

    /**
     * Starts a node; it serves when this returns.
     *
     * @throws CommandException in words, when the folder or the port cannot be used
     */
    static CacheNode start(NodeConfig config) {
        CacheNode node = new CacheNode(config);
        try {
            node.open();
            return node;
        } catch (io.kvtier.storage.StorageException | io.kvtier.codec.error.KvtierException e) {
            node.close();
            throw new CommandException(ExitCode.USAGE, String.valueOf(e.getMessage()), e);
        }
    }

    /** {@code host:port} to connect to. */
    String endpoint() {
        return config.listen().host() + ":" + port;
    }

    /** URL of the admin listener. */
    String adminUrl() {
        return adminUrl;
    }

    int port() {
        return port;
    }

    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        RuntimeException failure = null;
        while (!parts.isEmpty()) {
            try {
                parts.pop().close();
            } catch (Exception e) { // one part that fails must not keep the others open
                RuntimeException wrapped =
                        e instanceof RuntimeException r ? r : new IllegalStateException(e);
                if (failure == null) {
                    failure = wrapped;
                } else {
                    failure.addSuppressed(wrapped);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    private void open() {
        requireProtected("listen.host", config.listen().host(), config.security());
        requireProtected("admin.host", config.admin().host(), config.security());
        NodeConfig.Limits limits = config.limits();
        NodeConfig.Storage storage = config.storage();
        Path folder = storage.directory();
        long poolBytes = Math.addExact(storage.hotBytes(), 2 * limits.inFlightBytes());
        Retention retention = opened(openRetention(storage));
        BlobPool pool = opened(new BlobPool(BlobPoolOptions.ofBytesMax(poolBytes)));
        HotTier hot =
                new HotTier(pool, HotTierOptions.ofBytesMax(storage.hotBytes()), clock, losses);
        ChunkStore cold;
        try {
            cold = openCold(pool, storage, retention);
        } catch (io.kvtier.storage.StorageException e) {
            hot.close();
            throw e;
        }
        TicketedChunkStore store =
                opened(
                        new TicketedChunkStore(
                                new TieredChunkStore(hot, cold, retention),
                                pool,
                                ticketOptions(limits),
                                clock));
        ScheduledExecutorService upkeep =
                opened(
                        Executors.newScheduledThreadPool(
                                UPKEEP_THREADS,
                                Thread.ofPlatform().name("kvtier-upkeep-", 0).daemon().factory()));
        var _ =
                upkeep.scheduleWithFixedDelay(
                        store::sweep, SWEEP_MILLIS, SWEEP_MILLIS, TimeUnit.MILLISECONDS);
        scrub(cold, storage.scrub(), upkeep);
        Readiness readiness = opened(new Readiness(store, pool, clock));
        FolderProfileStore profiles =
                new FolderProfileStore(folder.resolve("profiles"), PROFILE_BYTES_MAX);
        Optional<ControlPlane> control =
                Optional.of(config.cluster())
                        .filter(ClusterConfig::isClustered)
                        .map(this::openControl);
        ControlService known =
                control.<ControlService>map(it -> it).orElseGet(ControlService::alone);
        NodeState state = new NodeState(store, pool, cold, retention, readiness, known);
        Authenticator authenticator = authenticator();
        FlightNode flight =
                opened(
                        FlightNode.start(
                                flightOptions(),
                                new FlightNode.Parts(
                                        store,
                                        pool,
                                        profiles,
                                        service -> report(state, service).toJson(),
                                        authenticator,
                                        known,
                                        timesToLive(storage.retention()),
                                        tls())));
        port = flight.port();
        AdminServer admin =
                opened(
                        AdminServer.start(
                                new AdminOptions(
                                        config.admin().host(),
                                        config.admin().port(),
                                        flight.ssl(),
                                        config.security().isAuthenticated()),
                                authenticator,
                                () -> report(state, flight.report())));
        adminUrl = admin.url();
        control.ifPresent(
                plane -> {
                    parts.push(plane::leave);
                    plane.announce(endpoint());
                });
    }

    private ControlPlane openControl(ClusterConfig cluster) {
        if (!cluster.iKnowItIsPlaintext()) {
            cluster.voters().forEach(voter -> requirePrivate(voter.host()));
        }
        requireKnownToOthers(config.security());
        Path directory = config.storage().directory().resolve("control");
        return opened(
                ControlPlane.start(
                        cluster,
                        directory,
                        new ControlPlane.Surroundings(
                                clock,
                                InstantSource.system(),
                                new SecureRandom(),
                                towardsNodes())));
    }

    /** Without these a node would start and never be heard by the others. */
    private static void requireKnownToOthers(NodeConfig.Security security) {
        boolean speaks = NodeConfig.Security.isGiven(security.nodeAuthorities());
        boolean shows = NodeConfig.Security.isGiven(security.nodeToken());
        if (speaks != security.isEncrypted() || shows != security.isAuthenticated()) {
            throw new CommandException(
                    ExitCode.USAGE,
                    "a node of a cluster needs security.nodeAuthorities if and only if it has"
                            + " security.certificate, and security.nodeToken if and only if it has"
                            + " security.tokens: by these it is a client of the voters");
        }
    }

    /** By what this node is known to others of its cluster. */
    private ClientOptions towardsNodes() {
        NodeConfig.Security security = config.security();
        ClientOptions options = ClientOptions.defaults();
        if (NodeConfig.Security.isGiven(security.nodeToken())) {
            options = options.withToken(security.nodeToken());
        }
        if (NodeConfig.Security.isGiven(security.nodeAuthorities())) {
            options =
                    options.withTls(
                            new ClientTls(
                                    Optional.of(security.nodeAuthorities()),
                                    Optional.of(security.certificate()),
                                    Optional.of(security.key())));
        }
        return options;
    }

    private Retention openRetention(NodeConfig.Storage storage) {
        long pinnedBytes = Math.min(storage.retention().pinnedBytes(), storage.coldBytes() / 4);
        return Retention.open(
                RetentionOptions.ofPinnedBytesMax(pinnedBytes),
                storage.directory().resolve("retention"),
                clock,
                instants,
                losses);
    }

    private static TicketOptions ticketOptions(NodeConfig.Limits limits) {
        NodeConfig.Tickets tickets = limits.tickets();
        long bytes = Math.min(tickets.bytes(), limits.inFlightBytes() / 2);
        return new TicketOptions(bytes / 4, bytes, tickets.time());
    }

    private static TimesToLive timesToLive(RetentionConfig config) {
        Map<Digest, Duration> byNamespace = new HashMap<>();
        config.namespaces()
                .forEach(each -> byNamespace.put(Digest.parse(each.namespace()), each.ttl()));
        return new TimesToLive(config.ttl(), byNamespace);
    }

    private ChunkStore openCold(BlobPool pool, NodeConfig.Storage storage, Retention retention) {
        return switch (storage.layout()) {
            case LOG -> {
                ExecutorService background =
                        Executors.newSingleThreadExecutor(
                                Thread.ofPlatform().name("kvtier-log").daemon().factory());
                // Closed after the store, which gives it its last work.
                parts.push(background);
                yield new LogChunkStore(
                        pool,
                        LogStoreOptions.of(storage.directory().resolve("log"), storage.coldBytes()),
                        new LogSurroundings(
                                clock, instants, new SecureRandom(), background, retention));
            }
            case BLOB ->
                    new RocksChunkStore(
                            pool,
                            RocksStoreOptions.of(
                                    storage.directory().resolve("chunks"), storage.coldBytes()),
                            clock,
                            instants,
                            retention);
        };
    }

    private FlightOptions flightOptions() {
        NodeConfig.Limits limits = config.limits();
        FlightOptions usual = FlightOptions.loopback(config.listen().port());
        return new FlightOptions(
                config.listen().host(),
                config.listen().port(),
                Math.toIntExact(limits.messageBytes()),
                usual.headerBytesMax(),
                (int) Math.min(usual.sliceBytes(), limits.messageBytes() / 2),
                limits.inFlightBytes(),
                limits.inFlightBytes(),
                usual.requestsMax(),
                usual.callsMax(),
                limits.idle(),
                limits.idle(),
                limits.linkBytesPerSecond(),
                limits.streams(),
                usual.decodeLimits());
    }

    /** Has the log read again in the background. */
    private static void scrub(
            ChunkStore cold, NodeConfig.Scrub config, ScheduledExecutorService upkeep) {
        if (!(cold instanceof LogChunkStore log) || config.bytesPerSecond() == 0) {
            return;
        }
        ScrubTask task = new ScrubTask(log, config.bytesPerSecond(), config.rest());
        var _ = upkeep.scheduleWithFixedDelay(task, 1, 1, TimeUnit.SECONDS);
    }

    /** What reports are made of, but for the service's part. */
    private record NodeState(
            TicketedChunkStore store,
            BlobPool pool,
            ChunkStore cold,
            Retention retention,
            Readiness readiness,
            ControlService control) {}

    private NodeReport report(NodeState state, ServiceReport service) {
        Readiness.Verdict verdict = state.readiness().verdict();
        return new NodeReport(
                endpoint(),
                adminUrl,
                TimeUnit.NANOSECONDS.toSeconds(clock.nanoTime() - startedNanos),
                verdict.ready(),
                verdict.why(),
                state.pool().mappedBytes(),
                state.pool().outstandingBytes(),
                state.store().stats(),
                state.cold() instanceof LogChunkStore log
                        ? new NodeReport.LogReport(log.traffic(), log.scrubbed(), log.indexBytes())
                        : null,
                state.store().tickets(),
                state.store().ticketBytes(),
                state.retention().pins(),
                state.retention().pinnedBytes(),
                counts(losses),
                service,
                NodeReport.Cluster.of(state.control().map()));
    }

    private static Map<String, Long> counts(LossLog losses) {
        Map<String, Long> out = new LinkedHashMap<>();
        losses.counts().forEach((cause, count) -> out.put(cause.label(), count));
        return out;
    }

    private <T extends AutoCloseable> T opened(T part) {
        parts.push(part);
        return part;
    }

    /** What voters say to each other is not encrypted. */
    private static void requirePrivate(String host) {
        try {
            InetAddress address = InetAddress.getByName(host);
            if (!address.isLoopbackAddress() && !address.isSiteLocalAddress()) {
                throw new CommandException(
                        ExitCode.USAGE,
                        "cluster.voters: host "
                                + host
                                + " is public, expected a loopback or private address: voters talk"
                                + " in plain text (cluster.iKnowItIsPlaintext allows it)");
            }
        } catch (UnknownHostException e) {
            // Another voter's name may come to be known later; its address is looked up then.
        }
    }

    private Authenticator authenticator() {
        NodeConfig.Security security = config.security();
        return security.isAuthenticated()
                ? new BearerTokens(security.tokens(), security.secret(), clock)
                : Authenticator.anonymous();
    }

    private Optional<TlsFiles> tls() {
        NodeConfig.Security security = config.security();
        return security.isEncrypted()
                ? Optional.of(
                        new TlsFiles(
                                security.certificate(),
                                security.key(),
                                Optional.of(security.clientAuthorities())
                                        .filter(NodeConfig.Security::isGiven)))
                : Optional.empty();
    }

    /** Without TLS and credentials a node must not be reachable from elsewhere. */
    private static void requireProtected(String name, String host, NodeConfig.Security security) {
        try {
            boolean isProtected = security.isEncrypted() && security.isAuthenticated();
            if (!isProtected
                    && !security.plaintext()
                    && !InetAddress.getByName(host).isLoopbackAddress()) {
                throw new CommandException(
                        ExitCode.USAGE,
                        name
                                + " is "
                                + host
                                + ", expected a loopback address, or security.certificate, key,"
                                + " tokens and secret (or security.plaintext: true)");
            }
        } catch (UnknownHostException e) {
            throw new CommandException(ExitCode.USAGE, name + " " + host + " is unknown", e);
        }
    }
}
