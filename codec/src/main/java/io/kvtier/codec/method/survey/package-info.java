/** The survey's methods by name: each a line that puts a policy and stages together. */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.method.survey;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
