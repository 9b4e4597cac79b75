/** Tests of who may send how much on a node's link. */
@NullMarked
package io.kvtier.flight.share;

import org.jspecify.annotations.NullMarked;
