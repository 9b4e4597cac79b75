/**
 * Streams in virtual time: what adaptive policies make of a link whose future they do not know.
 * {@code StreamSimulation} runs {@code StreamPolicy}s over {@code StreamCase}s and judges them by
 * the optimum; {@code kvtier sim stream} calls it.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.node.sim;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
