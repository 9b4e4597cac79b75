/** Exact attention over chunks that are decoded one by one. */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.method.attention;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
