/**
 * Bit-exact bytes of one layer (docs/format.md section 3.2): byte planes behind zstd, or raw. Knows
 * nothing of chunks; called by the codec.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.exact;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
