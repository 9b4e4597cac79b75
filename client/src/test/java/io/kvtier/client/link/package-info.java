@NullMarked
package io.kvtier.client.link;

import org.jspecify.annotations.NullMarked;
