package io.kvtier.storage;

/**
 * Limits of a {@link BlobPool}.
 *
 * @param bytesMax native memory that the pool may map, in use or not
 * @param slabBytes memory mapped at once; a larger blob gets a slab of its own
 * @param idleBytesMax mapped memory kept ready while nothing uses it
 * @param diagnostics overwrite released memory and remember where blobs came from: for tests
 */
public record BlobPoolOptions(
        long bytesMax, long slabBytes, long idleBytesMax, boolean diagnostics) {
    /**
     * Checks.
     *
     * @throws InvalidRequestException if a size is below one page of 4096 bytes
     */
    public BlobPoolOptions {
        if (bytesMax < Slab.PAGE_BYTES || slabBytes < Slab.PAGE_BYTES || idleBytesMax < 0) {
            throw new InvalidRequestException(
                    "blob pool: bytesMax and slabBytes are at least 4096, idleBytesMax at least 0,"
                            + " got "
                            + bytesMax
                            + ", "
                            + slabBytes
                            + " and "
                            + idleBytesMax);
        }
    }

    /** Slabs of 32 MiB, two of them kept ready, no diagnostics. */
    public static BlobPoolOptions ofBytesMax(long bytesMax) {
        return new BlobPoolOptions(bytesMax, 32L << 20, 64L << 20, false);
    }

    /** The same with other diagnostics. */
    public BlobPoolOptions withDiagnostics(boolean diagnostics) {
        return new BlobPoolOptions(bytesMax, slabBytes, idleBytesMax, diagnostics);
    }
}
