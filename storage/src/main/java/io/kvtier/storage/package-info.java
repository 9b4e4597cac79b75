/**
 * Where chunks live on a node: ref-counted memory outside the heap, and tiers that keep, find and
 * give back values by key.
 *
 * <p>{@link io.kvtier.storage.ChunkStore} is the contract, {@link
 * io.kvtier.storage.TieredChunkStore} what a node uses: a {@link io.kvtier.storage.HotTier} in
 * memory over a {@link io.kvtier.storage.RocksChunkStore} (or the log of {@code
 * io.kvtier.storage.log}) on disk. All values come from one {@link io.kvtier.storage.BlobPool}.
 * Values are bytes here: the package knows nothing about frames, and no other module. Callers are
 * the Flight service and the node's launcher. The layout on disk is in {@code docs/storage.md}.
 */
@NullMarked
@CheckReturnValue
package io.kvtier.storage;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
