package io.kvtier.client;

import io.kvtier.codec.wire.ChunkDirectory;

/**
 * A node that holds a chunk.
 *
 * @param endpoint {@code host:port} of the node
 * @param directory of the chunk as that node holds it
 */
public record Holder(String endpoint, ChunkDirectory directory) {}
