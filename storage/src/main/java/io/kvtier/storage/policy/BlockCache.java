package io.kvtier.storage.policy;

/** A cache of blocks of equal size under one policy. Not thread-safe. */
interface BlockCache extends AutoCloseable {
    /**
     * Serves one request: its longest held prefix is read, then the blocks that were missing are
     * put.
     *
     * @return blocks of that prefix
     */
    int serve(Trace.Request request);

    /** Sum of the distortions of that prefix's blocks, where the cache knows of parts. */
    default double distortion() {
        return 0;
    }

    @Override
    default void close() {}
}
