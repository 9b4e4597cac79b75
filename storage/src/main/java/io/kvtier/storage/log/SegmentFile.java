package io.kvtier.storage.log;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * An open file of a {@link Medium}.
 *
 * <p>Thread-safety: one writer at a time; reads and {@link #force} from any thread.
 */
interface SegmentFile extends AutoCloseable {
    /**
     * Writes the remaining bytes of all sources, one behind the other. After an error some of them
     * may be there.
     */
    void write(long position, ByteBuffer... sources) throws IOException;

    /**
     * Fills a buffer.
     *
     * @throws java.io.EOFException if the file ends before
     */
    void read(long position, ByteBuffer target) throws IOException;

    /**
     * Returns when what was written before this call would survive a loss of power: at least the
     * bytes from {@code start} to {@code end}.
     */
    void force(long start, long end) throws IOException;

    /** Length; may be more than was written, where a medium sets space aside. */
    long size() throws IOException;

    /** Cuts the file. Nobody reads behind the cut. */
    void truncate(long bytes) throws IOException;

    @Override
    void close() throws IOException;
}
