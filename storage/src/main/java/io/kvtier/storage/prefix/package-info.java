/**
 * Prefixes of token sequences, shared by chunks: longest match, branches of one request, and what
 * may be let go.
 */
@NullMarked
package io.kvtier.storage.prefix;

import org.jspecify.annotations.NullMarked;
