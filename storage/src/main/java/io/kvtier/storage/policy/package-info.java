/**
 * Replacement policies against each other on a trace of requests, in virtual time.
 *
 * <p>The tier's own policies run as the real {@link io.kvtier.storage.HotTier}.
 */
@NullMarked
package io.kvtier.storage.policy;

import org.jspecify.annotations.NullMarked;
