/**
 * Golden vectors: what the values of this module look like in bytes, as JSON that every other
 * implementation of the formats is tested against.
 */
@NullMarked
package io.kvtier.codec.vectors;

import org.jspecify.annotations.NullMarked;
