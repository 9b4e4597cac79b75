/**
 * The Java client of a cache node: put a prompt's KV cache, find the longest prefix that a node
 * holds, and stream it back at the quality that the link and the deadline allow.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.client;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
