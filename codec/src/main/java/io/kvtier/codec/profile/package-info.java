/**
 * What the codec knows of one model: transforms, statistics, token classes and named levels, read
 * from a file that calibration wrote (docs/format.md section 4), or fixed by docs/codec.md for
 * models without one. Called by the chunk encoder and decoder, and by planners for levels.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.profile;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
