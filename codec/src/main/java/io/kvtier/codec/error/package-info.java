/** What can go wrong, by what the caller should do about it. Storage and Flight map to these. */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.error;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
