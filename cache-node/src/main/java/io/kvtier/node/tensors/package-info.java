/**
 * KV caches in safetensors files: a bounded, memory-mapped reader, a writer, and the cache that
 * such a file holds. The command line reads and writes by it.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.node.tensors;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
