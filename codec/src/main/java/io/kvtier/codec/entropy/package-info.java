/**
 * The entropy coder: interleaved rANS over static Gaussian tables, in lanes that advance in
 * lockstep (docs/format.md section 3.1). Rows of integers in, a segment's bytes out, and back.
 * Called by the chunk encoder and decoder.
 *
 * <p>J. Duda, Asymmetric numeral systems, arXiv 1311.2540; F. Giesen, Interleaved entropy coders,
 * arXiv 1402.3392.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.codec.entropy;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
