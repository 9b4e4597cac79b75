/**
 * What makes a KV byte what it is: digests, geometry, namespaces and the chain of chunk keys
 * (docs/format.md section 1). Used by every other package; depends on none but errors.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.identity;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
