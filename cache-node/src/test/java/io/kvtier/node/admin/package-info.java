@NullMarked
package io.kvtier.node.admin;

import org.jspecify.annotations.NullMarked;
