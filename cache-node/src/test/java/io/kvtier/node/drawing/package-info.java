/** Tests of frames in files. */
@NullMarked
package io.kvtier.node.drawing;

import org.jspecify.annotations.NullMarked;
