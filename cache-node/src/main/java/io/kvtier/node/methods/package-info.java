/**
 * The survey's methods on caches in files: coding them, hints for their policies, and what kvlab
 * says of what comes back. {@code kvtier bench methods} runs it.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.node.methods;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
