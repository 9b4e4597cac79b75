/**
 * Frames in files: a context's frames in a folder, what a request at a level reads of them, and
 * what that costs. The commands {@code kvtier codec} and {@code kvtier profile} print it.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.node.frames;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
