/**
 * Which nodes own which chunks, computed from a cluster map alone: prefix groups and weighted
 * rendezvous hashing. Pure: no I/O, no clock, integers only, the same in Python.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.client.placement;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
