package io.kvtier.client;

import io.kvtier.client.placement.Placement;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Member;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What a client knows of a cluster: the newest map that any node told it, and a connection to each
 * node. The map is renewed beside the calls, so a stale one costs a miss at most.
 *
 * <p>Thread-safety: all methods.
 */
final class ClusterNodes implements AutoCloseable {
    private static final long RENEW_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long RENEW_NANOS_MIN = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long RENEW_TIME_NANOS = TimeUnit.SECONDS.toNanos(2);
    private static final long SUSPECT_NANOS = TimeUnit.SECONDS.toNanos(2);
    private static final long AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private final List<String> seeds;
    private final Map<String, NodeConnection> connections = new ConcurrentHashMap<>();
    private final Function<String, NodeConnection> connecting;
    private final Tasks tasks;
    private final NanoClock clock;
    private final AtomicBoolean renewing = new AtomicBoolean();
    private final AtomicInteger turn = new AtomicInteger();
    private volatile @Nullable Known known;
    private volatile long renewedNanos;
    private boolean closed;

    /** A placement with the node that told its map. */
    private record Known(Placement placement, String from) {}

    /** What a seed answered: a map, or why not. */
    private record Answer(@Nullable Known known, @Nullable KvtierException error) {}

    /**
     * What is known by the seeds.
     *
     * @param connecting makes a connection to an endpoint, or refuses what is none
     */
    ClusterNodes(
            List<String> seeds,
            Function<String, NodeConnection> connecting,
            Tasks tasks,
            NanoClock clock) {
        this.connecting = connecting;
        this.tasks = tasks;
        this.clock = clock;
        this.seeds = List.copyOf(seeds);
        for (String seed : seeds) {
            NodeConnection _ = connection(seed); // refuses what is no endpoint
        }
    }

    /**
     * Who owns what, as far as is known.
     *
     * @throws KvtierException if no seed tells a map by the deadline
     */
    Placement placement(Deadline deadline) {
        Known current = known;
        if (current == null) {
            current = first(deadline);
        } else if (isClustered(current) && clock.nanoTime() - renewedNanos > RENEW_NANOS) {
            renew();
        }
        return current.placement();
    }

    /** The connection to a member of the map. */
    NodeConnection of(Member member) {
        Known current = known;
        return current != null && member.endpoint().isEmpty()
                ? connection(current.from())
                : connection(member.endpoint());
    }

    /** The connection to an endpoint. */
    NodeConnection connection(String endpoint) {
        return connections.computeIfAbsent(
                endpoint,
                each -> {
                    synchronized (this) {
                        if (closed) {
                            throw new UnavailableException("the client is closed");
                        }
                        return connecting.apply(each);
                    }
                });
    }

    /** The nodes that may be asked, by the map as far as it is known. */
    List<NodeConnection> reachable(Deadline deadline) {
        return placement(deadline).map().members().stream()
                .filter(Member::isReachable)
                .map(this::of)
                .toList();
    }

    /** The node that is asked where any will do. */
    NodeConnection any() {
        Known current = known;
        return connection(current == null ? seeds.getFirst() : current.from());
    }

    /** A call to the node failed or hangs: others go first for a while, and the map is renewed. */
    void failed(NodeConnection node) {
        Known current = known;
        if (current != null && isClustered(current)) {
            node.suspectFor(SUSPECT_NANOS);
            if (clock.nanoTime() - renewedNanos > RENEW_NANOS_MIN) {
                renew();
            }
        }
    }

    /** Ends all connections; not to be called while calls are under way. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
        }
        connections.values().forEach(NodeConnection::close);
    }

    /** Asks all seeds at once, and takes the first map with members in it. */
    private Known first(Deadline deadline) {
        if (seeds.size() == 1) {
            return alone(connection(seeds.getFirst()), deadline);
        }
        while (true) {
            Tasks.Mailbox<Answer> answers = tasks.mailbox();
            for (String seed : seeds) {
                Tasks.Task _ = tasks.start(() -> answers.add(ask(connection(seed), deadline)));
            }
            KvtierException error = new UnavailableException("no seed told a map in time");
            for (int i = 0; i < seeds.size(); i++) {
                Answer answer = take(answers, deadline);
                if (answer == null) {
                    throw error;
                }
                if (answer.known() != null) {
                    return learn(answer.known());
                }
                error = answer.error() == null ? error : answer.error();
            }
            await(deadline, error);
        }
    }

    private Known alone(NodeConnection seed, Deadline deadline) {
        while (true) {
            Answer answer = ask(seed, deadline);
            if (answer.known() != null) {
                return learn(answer.known());
            }
            if (answer.error() != null) {
                throw answer.error();
            }
            await(deadline, new UnavailableException("the cluster has no members yet"));
        }
    }

    private Answer ask(NodeConnection node, Deadline deadline) {
        try {
            ClusterMap map = node.map(deadline);
            boolean any = map.members().stream().anyMatch(Member::isReachable);
            return new Answer(any ? new Known(new Placement(map), node.endpoint()) : null, null);
        } catch (KvtierException e) {
            return new Answer(null, e);
        }
    }

    /** A cluster that is being made has no members for a moment. */
    private void await(Deadline deadline, KvtierException otherwise) {
        if (deadline.nanosLeft() <= AGAIN_NANOS) {
            throw otherwise;
        }
        tasks.pause(AGAIN_NANOS);
        if (Thread.currentThread().isInterrupted()) {
            throw otherwise;
        }
    }

    private static @Nullable Answer take(Tasks.Mailbox<Answer> answers, Deadline deadline) {
        try {
            return answers.poll(deadline.nanosLeft());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return null;
        }
    }

    private synchronized Known learn(Known told) {
        Known current = known;
        if (current != null && !told.placement().map().replaces(current.placement().map())) {
            return current;
        }
        known = told;
        renewedNanos = clock.nanoTime();
        if (current != null) {
            retire(current.placement().map(), told.placement().map());
        }
        return told;
    }

    /**
     * A node that was down and is up again is connected anew: the old channel would wait before it
     * tries again, the longer the node was away.
     */
    private void retire(ClusterMap before, ClusterMap after) {
        for (Member member : after.members()) {
            boolean wasDown =
                    before.member(member.id()).filter(each -> !each.isReachable()).isPresent();
            if (wasDown && member.isReachable()) {
                NodeConnection old = connections.remove(member.endpoint());
                if (old != null) {
                    Tasks.Task _ = tasks.start(old::close);
                }
            }
        }
    }

    /** Asks one node after the other, each time another, beside the calls. */
    private void renew() {
        if (!renewing.compareAndSet(false, true)) {
            return;
        }
        renewedNanos = clock.nanoTime();
        try {
            Tasks.Task _ =
                    tasks.start(
                            () -> {
                                try {
                                    renewFrom(candidates());
                                } finally {
                                    renewing.set(false);
                                }
                            });
        } catch (RejectedExecutionException e) {
            renewing.set(false); // the client is being closed
        }
    }

    private void renewFrom(List<NodeConnection> candidates) {
        for (NodeConnection each : candidates) {
            Deadline deadline = Deadline.after(java.time.Duration.ofNanos(RENEW_TIME_NANOS), clock);
            Answer answer = ask(each, deadline);
            if (answer.known() != null) {
                Known _ = learn(answer.known());
                return;
            }
            each.suspectFor(SUSPECT_NANOS);
        }
    }

    private List<NodeConnection> candidates() {
        Known current = known;
        List<NodeConnection> all = new ArrayList<>();
        if (current != null) {
            current.placement().map().members().stream()
                    .filter(Member::isReachable)
                    .map(this::of)
                    .forEach(all::add);
        }
        seeds.forEach(seed -> all.add(connection(seed)));
        List<NodeConnection> rotated = new ArrayList<>();
        int start = Math.floorMod(turn.getAndIncrement(), all.size());
        for (int i = 0; i < all.size(); i++) {
            NodeConnection each = all.get((start + i) % all.size());
            if (!each.isSuspect() && !rotated.contains(each)) {
                rotated.add(each);
            }
        }
        return rotated.isEmpty() ? all : rotated;
    }

    private static boolean isClustered(Known known) {
        return known.placement().map().epoch() > 0;
    }
}
