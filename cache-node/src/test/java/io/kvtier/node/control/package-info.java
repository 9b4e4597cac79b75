@NullMarked
package io.kvtier.node.control;

import org.jspecify.annotations.NullMarked;
