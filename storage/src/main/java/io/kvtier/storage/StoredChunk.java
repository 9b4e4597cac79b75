package io.kvtier.storage;

/**
 * A value and what is known about it.
 *
 * <p>Ownership: who receives one from a method named {@code open…} closes it, which closes the
 * blob.
 *
 * @param meta of exactly these bytes
 * @param blob {@code meta.bytes()} bytes
 */
public record StoredChunk(ChunkMeta meta, Blob blob) implements AutoCloseable {
    @Override
    public void close() {
        blob.close();
    }
}
