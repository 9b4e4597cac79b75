/** Tests of the command line's parts. */
@org.jspecify.annotations.NullMarked
package io.kvtier.node;
