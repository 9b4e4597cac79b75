/**
 * The cold tier as a log: segment files that are the truth, an index of slots in memory, and a
 * RocksDB from which that index is read back after a restart.
 *
 * <p>{@link io.kvtier.storage.log.LogChunkStore} is the store. It appends to a {@link
 * io.kvtier.storage.log.ChunkLog} of {@link io.kvtier.storage.log.Segment}s on a {@link
 * io.kvtier.storage.log.Medium}, finds records through a {@link io.kvtier.storage.log.SlotIndex},
 * gets space back from a {@link io.kvtier.storage.log.Compactor}, and starts by {@link
 * io.kvtier.storage.log.Recovery}. The bytes are described in {@code docs/storage.md}.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.storage.log;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
