/**
 * The cache node and the command line: the composition root that reads the configuration, wires
 * storage and service together and stops them in the reverse order.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.node;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
