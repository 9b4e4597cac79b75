package io.kvtier.node.control;

import java.time.Duration;

/**
 * How a leader judges.
 *
 * @param copies owners of each group
 * @param groupTokens tokens of a group of full size
 * @param timeout after which a silent node is down
 * @param ramp in which a joining node takes over its share
 * @param settle for which readers still ask the owners of an earlier placement
 * @param newCluster number of the cluster, should this leader be its first
 */
record RosterOptions(
        int copies,
        int groupTokens,
        Duration timeout,
        Duration ramp,
        Duration settle,
        long newCluster) {}
