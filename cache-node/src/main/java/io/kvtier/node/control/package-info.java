/**
 * The control plane: voters agree, by Aeron Cluster, on one value, the cluster map; all other nodes
 * send heartbeats to the leader of the voters and get the map in return. Chunks never pass here.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.node.control;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
