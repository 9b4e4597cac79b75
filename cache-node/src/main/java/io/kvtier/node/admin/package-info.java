/**
 * What a node says of itself: one report, from which come {@code kvtier stats}, the metrics and the
 * health of the admin listener.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.node.admin;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
