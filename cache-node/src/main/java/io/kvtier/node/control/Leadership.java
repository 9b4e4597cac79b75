package io.kvtier.node.control;

import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.ControlReply;
import io.kvtier.codec.wire.ControlReply.Status;
import io.kvtier.codec.wire.Heartbeat;
import io.kvtier.codec.wire.Member;
import io.kvtier.codec.wire.MemberCommand;
import io.kvtier.storage.NanoClock;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a voter does while it leads: remembers who spoke when, and proposes the map that follows.
 * None of that is replicated; a new leader gives everyone the time to speak.
 *
 * <p>Thread-safety: {@link #tick} from one thread, the others from any.
 */
final class Leadership {
    private static final Logger log = LoggerFactory.getLogger(Leadership.class);
    private static final int COMMANDS_MAX = 16;
    private static final Duration COMMAND_TIME = Duration.ofSeconds(5);
    private static final long SNAPSHOT_EPOCHS = 32;
    private static final long SNAPSHOT_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final long PROPOSAL_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    private final MapRegister register;
    private final Voter voter;
    private final Roster roster;
    private final long timeoutNanos;
    private final NanoClock clock;
    private final Map<String, Spoken> spoken = new ConcurrentHashMap<>();
    private final LinkedBlockingQueue<Pending> commands = new LinkedBlockingQueue<>(COMMANDS_MAX);
    private ClusterMap last;
    private boolean leading;
    private long leadingSince;
    private long changedAt;
    private long tickedAt;
    private long proposedEpoch;
    private long proposedAt;
    private long snapshotAskedAt;

    private record Spoken(Heartbeat heartbeat, long atNanos) {}

    private record Pending(MemberCommand command, CompletableFuture<Void> done) {}

    Leadership(MapRegister register, Voter voter, RosterOptions options, NanoClock clock) {
        this.register = register;
        this.voter = voter;
        this.roster = new Roster(options);
        this.timeoutNanos = options.timeout().toNanos();
        this.clock = clock;
        this.last = register.map();
        this.snapshotAskedAt = clock.nanoTime() - SNAPSHOT_NANOS;
    }

    /** A node speaks to the leader. */
    void heard(Heartbeat heartbeat) {
        if (spoken.size() < ClusterMap.MEMBERS_MAX || spoken.containsKey(heartbeat.id())) {
            spoken.put(heartbeat.id(), new Spoken(heartbeat, clock.nanoTime()));
        }
    }

    /** Does what an operator asks for, or says why not. */
    ControlReply obey(MemberCommand command, String self) {
        Optional<Member> member = register.map().member(command.id());
        if (member.isEmpty()) {
            String known =
                    register.map().members().stream()
                            .map(Member::id)
                            .collect(Collectors.joining(", "));
            return refused(self, "node " + command.id() + " is not in the cluster of " + known);
        }
        if (command.verb() == MemberCommand.Verb.FORGET && member.get().isReachable()) {
            return refused(self, "node " + command.id() + " is not down: stop it first");
        }
        Pending pending = new Pending(command, new CompletableFuture<>());
        if (!commands.offer(pending)) {
            return refused(self, COMMANDS_MAX + " commands wait already: try again");
        }
        try {
            pending.done().get(COMMAND_TIME.toNanos(), TimeUnit.NANOSECONDS);
            return new ControlReply(Status.DONE, self, "", Optional.of(register.map()));
        } catch (TimeoutException | ExecutionException e) {
            boolean _ = commands.remove(pending);
            return refused(self, "the voters did not agree within " + COMMAND_TIME);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return refused(self, "the node stops");
        }
    }

    /** Looks whether the map should change, and proposes; called many times a second. */
    void tick() {
        long now = clock.nanoTime();
        boolean paused = now - tickedAt > timeoutNanos / 2;
        tickedAt = now;
        if (!voter.canPropose()) {
            leading = false;
            return;
        }
        if (!leading || paused) {
            leading = true;
            leadingSince = now;
        }
        ClusterMap map = register.map();
        if (!map.equals(last)) {
            log.info("map epoch={} members={}", map.epoch(), summary(map));
            last = map;
            changedAt = now;
        }
        commands.removeIf(pending -> isDone(pending, map));
        boolean underWay = proposedEpoch == map.epoch() + 1 && now - proposedAt < PROPOSAL_NANOS;
        if (underWay) {
            return;
        }
        if (isSnapshotDue(map, now)) {
            snapshotAskedAt = now;
            voter.snapshot();
        }
        Pending pending = commands.peek();
        roster.next(map, seen(now, pending))
                .ifPresent(
                        next -> {
                            proposedEpoch = next.epoch();
                            proposedAt = now;
                            voter.propose(next);
                        });
    }

    /** A restart replays so many changes at most; asked again should nothing come of it. */
    private boolean isSnapshotDue(ClusterMap map, long now) {
        return map.epoch() - register.snapshotEpoch() >= SNAPSHOT_EPOCHS
                && now - snapshotAskedAt > SNAPSHOT_NANOS;
    }

    private Roster.Seen seen(long now, @Nullable Pending pending) {
        Map<String, Roster.Sighting> sightings =
                spoken.entrySet().stream()
                        .collect(
                                Collectors.toMap(
                                        Map.Entry::getKey,
                                        e ->
                                                new Roster.Sighting(
                                                        e.getValue().heartbeat(),
                                                        now
                                                                - later(
                                                                        e.getValue().atNanos(),
                                                                        leadingSince))));
        return new Roster.Seen(
                sightings,
                now - leadingSince,
                now - later(changedAt, leadingSince),
                Optional.ofNullable(pending).map(Pending::command));
    }

    private static boolean isDone(Pending pending, ClusterMap map) {
        Optional<Member> member = map.member(pending.command().id());
        boolean draining = member.filter(each -> each.state() == Member.State.DRAINING).isPresent();
        boolean done =
                switch (pending.command().verb()) {
                    case DRAIN -> draining || member.filter(Member::isReachable).isEmpty();
                    case RESUME -> !draining;
                    case FORGET -> member.isEmpty();
                };
        return done && pending.done().complete(null);
    }

    private static long later(long a, long b) {
        return a - b > 0 ? a : b;
    }

    private static ControlReply refused(String self, String why) {
        return new ControlReply(Status.REFUSED, self, why, Optional.empty());
    }

    private static String summary(ClusterMap map) {
        return map.members().stream()
                .map(member -> member.id() + ":" + member.state() + ":" + member.share())
                .collect(Collectors.joining(","));
    }
}
