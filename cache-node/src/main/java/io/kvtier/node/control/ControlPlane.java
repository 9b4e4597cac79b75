package io.kvtier.node.control;

import io.kvtier.client.ClientOptions;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.ControlReply;
import io.kvtier.codec.wire.ControlReply.Status;
import io.kvtier.codec.wire.ControlRequest;
import io.kvtier.codec.wire.Heartbeat;
import io.kvtier.codec.wire.Member;
import io.kvtier.codec.wire.MemberCommand;
import io.kvtier.config.ClusterConfig;
import io.kvtier.flight.ControlService;
import io.kvtier.storage.NanoClock;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A node's part in its cluster: it says that it serves, follows the map and, if it is a voter, has
 * its voice and may lead.
 *
 * <p>Thread-safety: {@link #map} and {@link #handle} from any thread.
 */
public final class ControlPlane implements ControlService, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ControlPlane.class);
    private static final int GROUP_TOKENS = 2048;
    private static final Duration TICK = Duration.ofMillis(50);
    private static final Duration CALL_TIME_MAX = Duration.ofSeconds(1);
    private static final Duration LEAVE_TIME = Duration.ofSeconds(2);

    private final ClusterConfig config;
    private final MapRegister register;
    private final @Nullable Voter voter;
    private final @Nullable Leadership leadership;
    private final HeartbeatSender sender;
    private final ScheduledExecutorService ticking =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().name("kvtier-control").daemon().factory());
    private final ScheduledExecutorService beating =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().name("kvtier-heartbeat").daemon().factory());
    private final NanoClock clock;
    private volatile ClusterMap learned;
    private volatile String endpoint = "";
    private volatile boolean leaving;

    /** What comes from outside. */
    public record Surroundings(
            NanoClock clock,
            InstantSource instants,
            RandomGenerator random,
            ClientOptions options) {}

    private ControlPlane(ClusterConfig config, Path directory, Surroundings outside) {
        this.config = config;
        this.clock = outside.clock();
        this.register = new MapRegister(config.copies(), GROUP_TOKENS);
        this.learned = register.map();
        this.sender =
                new HeartbeatSender(
                        config.voters().stream().map(ClusterConfig.Voter::endpoint).toList(),
                        outside.options(),
                        shorter(config.timeout().dividedBy(3), CALL_TIME_MAX));
        int self = config.self().map(config.voters()::indexOf).orElse(-1);
        if (self < 0) {
            voter = null;
            leadership = null;
            return;
        }
        VoterOptions options =
                new VoterOptions(
                        directory,
                        config.voters().stream()
                                .map(
                                        each ->
                                                new VoterOptions.Address(
                                                        each.host(), each.controlPort()))
                                .toList(),
                        self,
                        leaderTimeout(config.timeout()));
        RosterOptions judging =
                new RosterOptions(
                        config.copies(),
                        GROUP_TOKENS,
                        config.timeout(),
                        config.ramp(),
                        config.settle(),
                        outside.random().nextLong() | 1);
        Voter started = Voter.start(options, register, clock, outside.instants());
        voter = started;
        leadership = new Leadership(register, started, judging, clock);
    }

    /**
     * Joins the voters, if this node is one; others hear of it by {@link #announce} only.
     *
     * @param directory of a voter's log
     * @throws io.kvtier.codec.error.UnavailableException if folder or ports cannot be used
     */
    public static ControlPlane start(
            ClusterConfig config, Path directory, Surroundings surroundings) {
        ControlPlane plane = new ControlPlane(config, directory, surroundings);
        Leadership leadership = plane.leadership;
        if (leadership != null) {
            plane.every(plane.ticking, TICK, leadership::tick);
        }
        return plane;
    }

    /** Says from now on that this node serves. */
    public void announce(String listening) {
        endpoint =
                !config.advertise().isEmpty()
                        ? config.advertise()
                        : config.self().map(ClusterConfig.Voter::endpoint).orElse(listening);
        every(beating, config.heartbeat(), this::beat);
    }

    @Override
    public ClusterMap map() {
        ClusterMap agreed = register.map();
        ClusterMap told = learned;
        boolean newer = told.cluster() == agreed.cluster() && told.epoch() > agreed.epoch();
        return newer || agreed.epoch() == 0 ? told : agreed;
    }

    @Override
    public ControlReply handle(ControlRequest request) {
        Leadership mine = leadership;
        if (mine == null || !register.isLeading()) {
            return new ControlReply(Status.NOT_LEADER, leader(), "", newer(request));
        }
        return switch (request) {
            case Heartbeat heartbeat -> {
                mine.heard(heartbeat);
                yield new ControlReply(Status.DONE, leader(), "", newer(request));
            }
            case MemberCommand command -> mine.obey(command, leader());
        };
    }

    /** Says that this node stops, so that nobody waits for it; waits a moment for the map. */
    public void leave() {
        leaving = true;
        long end = clock.nanoTime() + LEAVE_TIME.toNanos();
        while (isPlaced() && end - clock.nanoTime() > 0) {
            try {
                beating.schedule(this::beat, TICK.toMillis(), TimeUnit.MILLISECONDS)
                        .get(LEAVE_TIME.toMillis(), TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            } catch (java.util.concurrent.ExecutionException
                    | java.util.concurrent.TimeoutException e) {
                log.info("left without a word: {}", e.getMessage());
                return;
            }
        }
    }

    @Override
    public void close() {
        beating.shutdownNow();
        ticking.shutdownNow();
        try {
            boolean _ = beating.awaitTermination(2, TimeUnit.SECONDS);
            boolean _ = ticking.awaitTermination(2, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        sender.close();
        Voter mine = voter;
        if (mine != null) {
            mine.close();
        }
    }

    private boolean isPlaced() {
        return map().member(config.node()).filter(Member::isReachable).isPresent();
    }

    private void beat() {
        ClusterMap known = map();
        Heartbeat heartbeat =
                new Heartbeat(
                        known.cluster(),
                        known.epoch(),
                        leaving,
                        config.node(),
                        endpoint,
                        config.zone(),
                        config.weight());
        Optional<ControlReply> reply =
                register.isLeading() ? Optional.of(handle(heartbeat)) : sender.send(heartbeat);
        reply.flatMap(ControlReply::map).ifPresent(this::learn);
    }

    private void learn(ClusterMap map) {
        if (map.replaces(learned)) {
            learned = map;
        }
    }

    private Optional<ClusterMap> newer(ControlRequest request) {
        ClusterMap known = map();
        boolean same =
                request instanceof Heartbeat heartbeat
                        && heartbeat.cluster() == known.cluster()
                        && heartbeat.epoch() >= known.epoch();
        return same ? Optional.empty() : Optional.of(known);
    }

    /** Endpoint of the voter that leads, empty while none is known. */
    private String leader() {
        int number = register.leader();
        List<ClusterConfig.Voter> voters = config.voters();
        return number >= 0 && number < voters.size() ? voters.get(number).endpoint() : "";
    }

    /** A failure of one round must not end all later ones. */
    private void every(ScheduledExecutorService executor, Duration time, Runnable work) {
        var _ =
                executor.scheduleWithFixedDelay(
                        () -> {
                            try {
                                work.run();
                            } catch (RuntimeException e) {
                                log.warn("control round failed and will be tried again", e);
                            }
                        },
                        0,
                        time.toMillis(),
                        TimeUnit.MILLISECONDS);
    }

    /** Less than a node's: a new leader gives everyone a node's timeout to speak. */
    private static Duration leaderTimeout(Duration timeout) {
        return timeout.multipliedBy(2).dividedBy(3);
    }

    private static Duration shorter(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }
}
