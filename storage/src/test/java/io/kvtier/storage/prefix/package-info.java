/** Tests of prefix sharing, each against a plain model. */
@org.jspecify.annotations.NullMarked
package io.kvtier.storage.prefix;
