/** Parsers of bytes from outside, against whatever bytes a fuzzer comes up with. */
@NullMarked
package io.kvtier.codec.fuzz;

import org.jspecify.annotations.NullMarked;
