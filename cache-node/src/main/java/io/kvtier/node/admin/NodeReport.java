package io.kvtier.node.admin;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Member;
import io.kvtier.flight.ServiceReport;
import io.kvtier.storage.ScrubCounts;
import io.kvtier.storage.StoreStats;
import io.kvtier.storage.log.LogTraffic;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a node holds and counts, at one moment; sizes are of now, counts since the start.
 *
 * @param endpoint where clients connect
 * @param admin URL of the admin listener
 * @param uptimeSeconds since the start
 * @param ready whether a put would be taken, see {@link Readiness}
 * @param whyNotReady empty when it would
 * @param poolMappedBytes of native memory, mapped from the operating system
 * @param poolOutstandingBytes of these, in use
 * @param store both tiers, and each
 * @param log the cold tier's, null in the other layout
 * @param tickets chunks that lookups found and nobody has read yet
 * @param ticketBytes of these
 * @param pins chunks that are pinned
 * @param pinnedBytes of these
 * @param losses chunks that were let go, by cause
 * @param service calls and streams
 * @param cluster as this node knows it
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record NodeReport(
        String endpoint,
        String admin,
        long uptimeSeconds,
        boolean ready,
        String whyNotReady,
        long poolMappedBytes,
        long poolOutstandingBytes,
        StoreStats store,
        @Nullable LogReport log,
        long tickets,
        long ticketBytes,
        long pins,
        long pinnedBytes,
        Map<String, Long> losses,
        ServiceReport service,
        Cluster cluster) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /**
     * The log on disk.
     *
     * @param traffic bytes written and moved
     * @param scrubbed what was read again
     * @param indexBytes heap that the index takes
     */
    public record LogReport(LogTraffic traffic, ScrubCounts scrubbed, long indexBytes) {}

    /**
     * The cluster map.
     *
     * @param epoch of the map, 0 = in no cluster
     * @param copies owners of each group
     * @param members by id
     */
    public record Cluster(long epoch, int copies, List<Node> members) {
        /** What a report says of a map. */
        public static Cluster of(ClusterMap map) {
            return new Cluster(
                    map.epoch(), map.copies(), map.members().stream().map(Node::of).toList());
        }
    }

    /** A member of the cluster; the state in lower case. */
    public record Node(String id, String endpoint, String zone, String state, int share) {
        static Node of(Member member) {
            return new Node(
                    member.id(),
                    member.endpoint(),
                    member.zone(),
                    member.state().name().toLowerCase(Locale.ROOT),
                    member.share());
        }
    }

    /** As {@code kvtier stats --json} prints it. */
    public String toJson() {
        try {
            return JSON.writeValueAsString(this);
        } catch (JsonProcessingException e) {
            throw new AssertionError("records of numbers and texts are always written", e);
        }
    }
}
