/**
 * The methods of the survey as parts that combine: policies say where bits go (a {@link
 * io.kvtier.codec.method.RateMap}), stages say how they are spent, and a {@link
 * io.kvtier.codec.method.Method} names one chain of them. For comparing methods on real caches and
 * for baselines; chunks of the tier are coded by {@code io.kvtier.codec}.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.method;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
