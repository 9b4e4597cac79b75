package io.kvtier.storage.log;

import java.io.IOException;
import java.nio.file.Path;

/**
 * What segment files are made on: how bytes get there, and what makes them survive a loss of power.
 *
 * <p>Thread-safety: all methods.
 */
interface Medium {
    /** For the log. */
    String name();

    /**
     * Makes a file that will hold up to so many bytes.
     *
     * @throws IOException if it is there already, or the disk is full
     */
    SegmentFile create(Path file, long bytes) throws IOException;

    /** Opens a file that is there. */
    SegmentFile open(Path file) throws IOException;

    /** Removes a file; whoever has it open may read on. */
    void delete(Path file) throws IOException;

    /** Makes the names in a folder durable: files that were made or removed. */
    void syncFolder(Path folder) throws IOException;
}
