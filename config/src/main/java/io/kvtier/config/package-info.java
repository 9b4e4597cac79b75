/**
 * A node's configuration: one YAML file, read and checked into records. Knows no sibling; only the
 * cache node reads it and hands each component its options.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.config;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
