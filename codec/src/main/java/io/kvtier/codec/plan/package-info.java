/**
 * Which rungs of which chunks to ask for, given what a lookup said, the link and the time left:
 * pure functions, the same in Java and Python.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.plan;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
