/**
 * From which link on fetching a KV cache beats computing it, by format: {@code kvtier bench
 * breakeven} measures, {@link io.kvtier.node.breakeven.BreakEven} weighs.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.node.breakeven;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
