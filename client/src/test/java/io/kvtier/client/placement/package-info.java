@NullMarked
package io.kvtier.client.placement;

import org.jspecify.annotations.NullMarked;
