@NullMarked
package io.kvtier.flight;

import org.jspecify.annotations.NullMarked;
