/** Tests of reading and writing tensors. */
@org.jspecify.annotations.NullMarked
package io.kvtier.node.tensors;
