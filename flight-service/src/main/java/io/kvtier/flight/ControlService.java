package io.kvtier.flight;

import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.ControlReply;
import io.kvtier.codec.wire.ControlRequest;
import java.util.Optional;

/** What a node knows of its cluster, and whom it can ask to change it. */
public interface ControlService {
    /** The newest map that this node knows. */
    ClusterMap map();

    /** Does what only the leader of the voters can do, or says who that is. */
    ControlReply handle(ControlRequest request);

    /** A node in no cluster: a map of itself, and nothing to change. */
    static ControlService alone() {
        return new ControlService() {
            @Override
            public ClusterMap map() {
                return ClusterMap.alone();
            }

            @Override
            public ControlReply handle(ControlRequest request) {
                return new ControlReply(
                        ControlReply.Status.REFUSED,
                        "",
                        "this node is in no cluster: its configuration has no cluster.voters",
                        Optional.empty());
            }
        };
    }
}
