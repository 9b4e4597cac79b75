/**
 * Where chunks live on a node: reference-counted off-heap blobs, a hot tier in memory and a cold
 * tier on disk. Knows chunks as bytes only; called by the Flight service and the cache node.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.storage;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
