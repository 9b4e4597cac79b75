/** A slow link to order: a proxy that shapes what passes, for demonstrations and tests. */
@NullMarked
@CheckReturnValue
package io.kvtier.client.link;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
