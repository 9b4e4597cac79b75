/** Seeded property tests and generators of this module's values. */
@NullMarked
package io.kvtier.codec.testing;

import org.jspecify.annotations.NullMarked;
