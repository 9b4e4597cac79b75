/** Tests of frames in files. */
@NullMarked
package io.kvtier.node.frames;

import org.jspecify.annotations.NullMarked;
