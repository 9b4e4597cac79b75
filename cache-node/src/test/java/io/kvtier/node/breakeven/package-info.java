/** Tests of when to fetch and when to compute. */
@NullMarked
package io.kvtier.node.breakeven;

import org.jspecify.annotations.NullMarked;
