/**
 * Measures stores on a medium of the user's choice: the log, blob files, and the same bytes without
 * a store. The commands {@code kvtier bench storage} and {@code kvtier bench media} print it.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.node.storage;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
