/** JMH benchmarks of the codec and of storage; results and commands are in docs/performance.md. */
@NullMarked
@CheckReturnValue
package io.kvtier.benchmarks;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
