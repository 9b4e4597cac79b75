package io.kvtier.node.control;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.ControlConnection;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.wire.ControlReply;
import io.kvtier.codec.wire.Heartbeat;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds the leader among the voters and speaks to it.
 *
 * <p>Thread-safety: one thread at a time.
 */
final class HeartbeatSender implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(HeartbeatSender.class);

    private final List<String> voters;
    private final ClientOptions options;
    private final Duration time;
    private int next;
    private String leader = "";
    private boolean lost;
    private @Nullable ControlConnection connection;

    /**
     * A sender.
     *
     * @param voters endpoints to ask while no leader is known
     * @param options by which this node is known to others
     * @param time for one heartbeat
     */
    HeartbeatSender(List<String> voters, ClientOptions options, Duration time) {
        this.voters = List.copyOf(voters);
        this.options = options;
        this.time = time;
    }

    /** Sends one heartbeat; nothing comes back when nobody could be reached. */
    Optional<ControlReply> send(Heartbeat heartbeat) {
        String target = leader.isEmpty() ? voters.get(next++ % voters.size()) : leader;
        try {
            ControlReply reply = connected(target).send(heartbeat, time);
            leader = reply.leader();
            if (lost && reply.status() == ControlReply.Status.DONE) {
                lost = false;
                log.info("the leader was found again endpoint={}", leader);
            }
            return Optional.of(reply);
        } catch (KvtierException e) {
            leader = "";
            close(); // an old channel would wait before it tries again
            if (!lost) {
                lost = true;
                log.info("no leader endpoint={} report={}", target, e.getMessage());
            }
            return Optional.empty();
        }
    }

    @Override
    public void close() {
        ControlConnection open = connection;
        connection = null;
        if (open != null) {
            open.close();
        }
    }

    private ControlConnection connected(String target) {
        ControlConnection open = connection;
        if (open != null && open.endpoint().equals(target)) {
            return open;
        }
        close();
        ControlConnection fresh = ControlConnection.connect(target, options);
        connection = fresh;
        return fresh;
    }
}
