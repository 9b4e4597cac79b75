package io.kvtier.config;

import static io.kvtier.config.OutOfRangeException.check;

import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Which cluster a node belongs to. All nodes of a cluster have the same {@code voters}.
 *
 * @param node its name, for good: chunks are placed by it; empty = in no cluster
 * @param advertise {@code host:port} by which others reach it; empty = its voter's, or where it
 *     listens
 * @param zone copies go to different zones where there are several; empty = none
 * @param weight its capacity relative to others'
 * @param copies owners of each group of chunks
 * @param heartbeat time between two words of a node to the leader
 * @param timeout after which a silent node counts as down, and a silent leader as lost
 * @param ramp time in which a joining node takes over its share; 0ms = at once
 * @param settle time for which readers still ask the owners of an earlier placement
 * @param iKnowItIsPlaintext allows voters on addresses that are neither loopback nor private: what
 *     they say to each other is not encrypted
 * @param voters the 1, 3 or 5 nodes that agree on who is in the cluster; none = no cluster
 */
public record ClusterConfig(
        String node,
        String advertise,
        String zone,
        int weight,
        int copies,
        Duration heartbeat,
        Duration timeout,
        Duration ramp,
        Duration settle,
        boolean iKnowItIsPlaintext,
        List<Voter> voters) {
    /** Ports that a voter needs, from {@code controlPort} on. */
    public static final int CONTROL_PORTS = 5;

    private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9._-]{1,63}");
    private static final int WEIGHT_MAX = 10_000;
    private static final int COPIES_MAX = 16;

    /**
     * One of the nodes that agree on who is in the cluster.
     *
     * @param node its name
     * @param host its address, or a name that may come to mean another address
     * @param port of its Flight service
     * @param controlPort first of {@value #CONTROL_PORTS} UDP ports between voters
     */
    public record Voter(String node, String host, int port, int controlPort) {
        /** Checks names and ports. */
        public Voter {
            check(NAME.matcher(node).matches(), "node", "'" + node + "'", NAME.pattern());
            check(!host.isBlank(), "host", "'" + host + "'", "an address or a name");
            check(port >= 1 && port <= 65_535, "port", port, "1..65535");
            check(
                    controlPort >= 1 && controlPort <= 65_536 - CONTROL_PORTS,
                    "controlPort",
                    controlPort,
                    "1.." + (65_536 - CONTROL_PORTS));
        }

        /** What a key that a voter leaves out means. */
        public static Voter defaults() {
            return new Voter("node-1", "127.0.0.1", 7420, 7500);
        }

        /** {@code host:port} of its Flight service. */
        public String endpoint() {
            return host + ":" + port;
        }
    }

    /** Checks that the parts fit each other. */
    public ClusterConfig {
        voters = List.copyOf(voters);
        check(
                node.isEmpty() || NAME.matcher(node).matches(),
                "node",
                "'" + node + "'",
                NAME.pattern());
        check(
                zone.isEmpty() || NAME.matcher(zone).matches(),
                "zone",
                "'" + zone + "'",
                NAME.pattern());
        check(weight >= 1 && weight <= WEIGHT_MAX, "weight", weight, "1.." + WEIGHT_MAX);
        check(copies >= 1 && copies <= COPIES_MAX, "copies", copies, "1.." + COPIES_MAX);
        check(heartbeat.toMillis() >= 10, "heartbeat", heartbeat, "at least 10ms");
        check(
                timeout.compareTo(heartbeat.multipliedBy(3)) >= 0,
                "timeout",
                timeout,
                "at least three times the heartbeat, " + heartbeat);
        check(
                node.isEmpty() == voters.isEmpty(),
                "voters",
                voters.size() + " with the node's name '" + node + "'",
                "both a name and voters, or neither");
        check(
                voters.isEmpty() || (voters.size() % 2 == 1 && voters.size() <= 5),
                "voters",
                voters.size(),
                "1, 3 or 5");
        Set<String> names = new HashSet<>();
        for (Voter voter : voters) {
            check(names.add(voter.node()), "voters", voter.node() + " twice", "different nodes");
        }
    }

    /** No cluster. */
    public static ClusterConfig defaults() {
        return new ClusterConfig(
                "",
                "",
                "",
                100,
                2,
                Duration.ofMillis(500),
                Duration.ofSeconds(3),
                Duration.ofSeconds(30),
                Duration.ofMinutes(10),
                false,
                List.of());
    }

    /** Whether the node is in a cluster. */
    public boolean isClustered() {
        return !voters.isEmpty();
    }

    /** The voter that this node is, if it is one. */
    public Optional<Voter> self() {
        return voters.stream().filter(voter -> voter.node().equals(node)).findFirst();
    }
}
