/**
 * How bits are spent: one class for each transform, quantizer and coder of the survey. None knows
 * another.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.method.stage;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
