/**
 * What it costs to move bytes: streams of a node, and plain sockets beside them. {@code kvtier
 * bench stream} calls it.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.node.transfer;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
