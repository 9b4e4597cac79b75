/**
 * Where bits go: one class for each scorer, allocator and decorator of the survey. None knows
 * another.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.method.policy;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
