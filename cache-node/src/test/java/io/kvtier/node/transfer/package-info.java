/** Tests of plain sockets and of what moving bytes costs. */
@NullMarked
package io.kvtier.node.transfer;

import org.jspecify.annotations.NullMarked;
