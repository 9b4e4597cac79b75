package io.kvtier.node.control;

import io.aeron.Aeron;
import io.aeron.CommonContext;
import io.aeron.archive.Archive;
import io.aeron.archive.ArchiveThreadingMode;
import io.aeron.archive.client.AeronArchive;
import io.aeron.cluster.ClusterControl;
import io.aeron.cluster.ClusteredMediaDriver;
import io.aeron.cluster.ConsensusModule;
import io.aeron.cluster.client.AeronCluster;
import io.aeron.cluster.service.ClusterClock;
import io.aeron.cluster.service.ClusteredServiceContainer;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import io.aeron.exceptions.AeronException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.storage.NanoClock;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.agrona.CloseHelper;
import org.agrona.ErrorHandler;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.EpochClock;
import org.agrona.concurrent.IdleStrategy;
import org.agrona.concurrent.SleepingMillisIdleStrategy;
import org.agrona.concurrent.UnsafeBuffer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One voter of Aeron Cluster: media driver, archive, consensus module and the register's service,
 * in this process.
 *
 * <p>Thread-safety: {@link #propose} and {@link #close} from one thread.
 */
final class Voter implements AutoCloseable {
    /* Everything here may be slow: the map changes a few times a day. So one thread serves all of
     * the media driver, idle threads sleep instead of spinning, and buffers are small. Proposals
     * come over shared memory from this process alone, which needs no port, and no credentials.
     */
    private static final Logger log = LoggerFactory.getLogger(Voter.class);
    private static final int TERM_BYTES = 1 << 20;
    private static final int IDLE_MILLIS = 2;
    private static final long KEEP_ALIVE_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final VoterOptions options;
    private final MapRegister register;
    private final NanoClock clock;
    private final Path shared;
    private final ClusteredMediaDriver driver;
    private final ClusteredServiceContainer container;
    private final Aeron client;
    private final EpochClock epochClock;
    private AeronCluster.@Nullable AsyncConnect connecting;
    private @Nullable AeronCluster session;
    private long keptAliveNanos;

    private Voter(
            VoterOptions options, MapRegister register, NanoClock clock, InstantSource instants) {
        this.options = options;
        this.register = register;
        this.clock = clock;
        this.shared = sharedFolder(options.directory());
        Path archive = options.directory().resolve("archive");
        Path cluster = options.directory().resolve("cluster");
        deleteMarks(archive, cluster);
        // Differences count, and what a person reads in tools. Whatever Aeron would ask the wall
        // clock asks this one: a jump looks to it like a driver, or a client, that died.
        long origin = instants.millis() - TimeUnit.NANOSECONDS.toMillis(clock.nanoTime());
        this.epochClock = () -> origin + TimeUnit.NANOSECONDS.toMillis(clock.nanoTime());
        this.driver =
                ClusteredMediaDriver.launch(
                        driverContext().epochClock(epochClock),
                        archiveContext(archive).epochClock(epochClock),
                        consensusContext(cluster)
                                .epochClock(epochClock)
                                .clusterClock(millis(epochClock::time)));
        try {
            this.container =
                    ClusteredServiceContainer.launch(
                            new ClusteredServiceContainer.Context()
                                    .aeronDirectoryName(shared.toString())
                                    .archiveContext(localArchive())
                                    .clusterDir(cluster.toFile())
                                    .clusteredService(register)
                                    .epochClock(epochClock)
                                    .idleStrategySupplier(Voter::idle)
                                    .errorHandler(errors("service"))
                                    .terminationHook(() -> log.warn("the service was ended")));
            this.client =
                    Aeron.connect(
                            new Aeron.Context()
                                    .aeronDirectoryName(shared.toString())
                                    .epochClock(epochClock)
                                    .errorHandler(errors("session")));
        } catch (RuntimeException e) {
            driver.close();
            throw e;
        }
    }

    /**
     * Starts a voter; it finds the others by itself.
     *
     * @throws UnavailableException if its folder or ports cannot be used
     */
    static Voter start(
            VoterOptions options, MapRegister register, NanoClock clock, InstantSource instants) {
        try {
            Files.createDirectories(options.directory());
            return new Voter(options, register, clock, instants);
        } catch (IOException | AeronException | IllegalStateException e) {
            throw new UnavailableException(
                    "the voter in "
                            + options.directory()
                            + " at "
                            + options.own().endpoint(0)
                            + " (and the four UDP ports behind it) cannot start: "
                            + e.getMessage(),
                    e);
        }
    }

    /** Whether this voter leads and may propose. */
    boolean canPropose() {
        if (!register.isLeading()) {
            closeSession();
            return false;
        }
        try {
            return isConnected();
        } catch (AeronException | IllegalStateException e) {
            log.debug("no session with the cluster yet: {}", e.getMessage());
            closeSession();
            return false;
        }
    }

    /** Offers a map; whether it took effect is seen in the register, a little later. */
    void propose(ClusterMap map) {
        AeronCluster open = session;
        if (open == null) {
            return;
        }
        byte[] bytes = map.toBytes();
        try {
            long result = open.offer(new UnsafeBuffer(bytes), 0, bytes.length);
            log.debug("proposed epoch={} result={}", map.epoch(), result);
        } catch (AeronException | IllegalStateException e) {
            log.info("a proposal did not go through, and will be made again: {}", e.getMessage());
            closeSession();
        }
    }

    /** Has all voters write down the map, so that a restart replays only what came after it. */
    void snapshot() {
        boolean begun =
                ClusterControl.ToggleState.SNAPSHOT.toggle(
                        driver.consensusModule().context().controlToggleCounter());
        log.debug("snapshot asked for begun={}", begun);
    }

    @Override
    public void close() {
        closeSession();
        CloseHelper.closeAll(client, container, driver);
        deleteShared();
    }

    private boolean isConnected() {
        AeronCluster open = session;
        if (open != null && !open.isClosed()) {
            int _ = open.pollEgress();
            long now = clock.nanoTime();
            if (now - keptAliveNanos > KEEP_ALIVE_NANOS) {
                keptAliveNanos = now;
                return open.sendKeepAlive();
            }
            return true;
        }
        session = null;
        AeronCluster.AsyncConnect attempt = connecting;
        if (attempt == null) {
            attempt =
                    AeronCluster.asyncConnect(
                            new AeronCluster.Context()
                                    .aeron(client)
                                    .ingressChannel(CommonContext.IPC_CHANNEL)
                                    .egressChannel(CommonContext.IPC_CHANNEL)
                                    .messageTimeoutNs(options.timeout().toNanos())
                                    .errorHandler(errors("session")));
            connecting = attempt;
        }
        session = attempt.poll();
        if (session != null) {
            connecting = null;
            keptAliveNanos = clock.nanoTime();
        }
        return session != null;
    }

    private void closeSession() {
        CloseHelper.quietCloseAll(connecting, session);
        connecting = null;
        session = null;
    }

    private MediaDriver.Context driverContext() {
        return new MediaDriver.Context()
                .aeronDirectoryName(shared.toString())
                .dirDeleteOnStart(true)
                .dirDeleteOnShutdown(true)
                .threadingMode(ThreadingMode.SHARED)
                .sharedIdleStrategy(
                        new BackoffIdleStrategy(
                                1,
                                1,
                                TimeUnit.MICROSECONDS.toNanos(50),
                                TimeUnit.MILLISECONDS.toNanos(IDLE_MILLIS)))
                .termBufferSparseFile(true)
                .publicationTermBufferLength(TERM_BYTES)
                .ipcTermBufferLength(TERM_BYTES)
                .clientLivenessTimeoutNs(TimeUnit.SECONDS.toNanos(10))
                .errorHandler(errors("driver"));
    }

    private Archive.Context archiveContext(Path directory) {
        return new Archive.Context()
                .aeronDirectoryName(shared.toString())
                .archiveDir(directory.toFile())
                .controlChannel("aeron:udp?term-length=64k|endpoint=" + own(4))
                .replicationChannel("aeron:udp?endpoint=" + options.own().host() + ":0")
                .recordingEventsEnabled(false)
                .threadingMode(ArchiveThreadingMode.SHARED)
                .idleStrategySupplier(Voter::idle)
                .segmentFileLength(TERM_BYTES)
                .maxConcurrentRecordings(8)
                .maxConcurrentReplays(8)
                .errorHandler(errors("archive"));
    }

    private ConsensusModule.Context consensusContext(Path directory) {
        Duration timeout = options.timeout();
        return new ConsensusModule.Context()
                .aeronDirectoryName(shared.toString())
                .clusterDir(directory.toFile())
                .clusterMemberId(options.self())
                .clusterMembers(options.members())
                .ingressChannel("aeron:udp?term-length=64k")
                .isIpcIngressAllowed(true)
                .logChannel("aeron:udp?term-length=" + TERM_BYTES)
                .replicationChannel("aeron:udp?endpoint=" + options.own().host() + ":0")
                .archiveContext(localArchive())
                .leaderHeartbeatTimeoutNs(timeout.toNanos())
                .leaderHeartbeatIntervalNs(timeout.dividedBy(10).toNanos())
                .electionTimeoutNs(timeout.dividedBy(2).toNanos())
                .electionStatusIntervalNs(timeout.dividedBy(20).toNanos())
                .startupCanvassTimeoutNs(timeout.multipliedBy(2).toNanos())
                .sessionTimeoutNs(timeout.multipliedBy(3).toNanos())
                .maxConcurrentSessions(4)
                .idleStrategySupplier(Voter::idle)
                .errorHandler(errors("consensus"))
                .terminationHook(() -> log.warn("the consensus module was ended"));
    }

    private AeronArchive.Context localArchive() {
        return new AeronArchive.Context()
                .controlRequestChannel(CommonContext.IPC_CHANNEL)
                .controlResponseChannel(CommonContext.IPC_CHANNEL)
                .aeronDirectoryName(shared.toString());
    }

    private String own(int port) {
        return options.own().endpoint(port);
    }

    private static IdleStrategy idle() {
        return new SleepingMillisIdleStrategy(IDLE_MILLIS);
    }

    /** Aeron reports what it recovers from by itself: lost leaders, lost clients, elections. */
    private static ErrorHandler errors(String part) {
        return error ->
                log.warn("control part={} report={}", part, String.valueOf(error.getMessage()));
    }

    private static ClusterClock millis(LongSupplier now) {
        return new ClusterClock() {
            @Override
            public TimeUnit timeUnit() {
                return TimeUnit.MILLISECONDS;
            }

            @Override
            public long time() {
                return now.getAsLong();
            }
        };
    }

    /** Where the driver's buffers lie: in memory where the system has a place for that. */
    private static Path sharedFolder(Path directory) {
        Path memory = Path.of("/dev/shm");
        Path parent =
                Files.isWritable(memory) ? memory : Path.of(System.getProperty("java.io.tmpdir"));
        byte[] name = directory.toAbsolutePath().toString().getBytes(StandardCharsets.UTF_8);
        return parent.resolve("kvtier-" + Digest.sha256(name).toString().substring(0, 16));
    }

    /**
     * A killed process leaves marks that keep the next one waiting for ten seconds. The store's
     * lock in the same directory says already that no other process is alive.
     */
    private static void deleteMarks(Path... folders) {
        for (Path folder : folders) {
            for (String name :
                    List.of("archive-mark.dat", "cluster-mark.dat", "cluster-mark-service-0.dat")) {
                try {
                    boolean _ = Files.deleteIfExists(folder.resolve(name));
                } catch (IOException e) {
                    throw new UnavailableException(folder.resolve(name) + " cannot be deleted", e);
                }
            }
        }
    }

    private void deleteShared() {
        File left = shared.toFile();
        if (left.exists()) {
            org.agrona.IoUtil.delete(left, true);
        }
    }

    /** Endpoint number of the voter that leads, if one is known. */
    Optional<Integer> leader() {
        int leader = register.leader();
        return leader < 0 ? Optional.empty() : Optional.of(leader);
    }
}
