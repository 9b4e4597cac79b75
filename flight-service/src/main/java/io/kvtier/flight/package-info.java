/**
 * The Arrow Flight service of a cache node: admission, puts, lookups and segment streams over a
 * chunk store. Started by the cache node.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.flight;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
