/**
 * The commands, tickets and metadata of the Flight service (docs/format.md section 6), as records.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.wire;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
