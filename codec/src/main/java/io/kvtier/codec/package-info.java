/**
 * The bytes of a KV cache: namespaces and chunk keys, tensor geometry, the frame that holds one
 * chunk at every quality level, and the codecs that fill and read it. Pure functions over caller-
 * owned memory: no threads, no clocks, no logging. Called by clients and by the Flight service.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.codec;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
