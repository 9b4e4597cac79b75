/** Tests of replacement policies on made-up traces. */
@org.jspecify.annotations.NullMarked
package io.kvtier.storage.policy;
