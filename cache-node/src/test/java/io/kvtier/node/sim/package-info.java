@org.jspecify.annotations.NullMarked
package io.kvtier.node.sim;
