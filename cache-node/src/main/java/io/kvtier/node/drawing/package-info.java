/** Pictures as SVG, and what is drawn of measurements. */
@NullMarked
@CheckReturnValue
package io.kvtier.node.drawing;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
