/**
 * One stored chunk: header, parts, segments and their checksums (docs/format.md sections 2 and
 * 3.2). Readers verify before they trust; nothing is allocated from a length that was not checked.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.frame;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
