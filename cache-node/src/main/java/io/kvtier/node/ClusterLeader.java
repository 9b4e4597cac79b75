package io.kvtier.node;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.ControlConnection;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.wire.ControlReply;
import io.kvtier.codec.wire.MemberCommand;
import java.time.Duration;
import java.util.List;

/** Finds the leader of a cluster's voters, from any of its nodes. */
final class ClusterLeader {
    private static final int HOPS_MAX = 8;

    private ClusterLeader() {}

    /**
     * Sends a command to the leader.
     *
     * @throws UnavailableException if no node knows one
     */
    static ControlReply send(
            List<String> endpoints, ClientOptions options, MemberCommand command, Duration time) {
        String next = endpoints.getFirst();
        KvtierException failure =
                new UnavailableException("no node knows the leader of the voters");
        for (int hop = 0; hop < HOPS_MAX; hop++) {
            try (ControlConnection node = ControlConnection.connect(next, options)) {
                ControlReply reply = node.send(command, time.dividedBy(2));
                if (reply.status() != ControlReply.Status.NOT_LEADER) {
                    return reply;
                }
                next =
                        reply.leader().isEmpty()
                                ? endpoints.get(hop % endpoints.size())
                                : reply.leader();
            } catch (KvtierException e) {
                failure = e;
                next = endpoints.get(hop % endpoints.size());
            }
        }
        throw failure;
    }
}
