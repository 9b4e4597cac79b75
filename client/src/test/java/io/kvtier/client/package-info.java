@NullMarked
package io.kvtier.client;

import org.jspecify.annotations.NullMarked;
