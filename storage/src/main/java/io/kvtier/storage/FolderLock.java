package io.kvtier.storage;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Keeps a second process, or another store of this one, out of a folder. */
public final class FolderLock {
    private FolderLock() {}

    /**
     * Locks a file, which is made if it is missing, until the channel is closed.
     *
     * @throws UnavailableException if somebody else has it
     */
    public static FileChannel take(Path file) {
        try {
            FileChannel channel =
                    FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            try {
                FileLock lock = channel.tryLock();
                if (lock != null) {
                    return channel;
                }
            } catch (OverlappingFileLockException e) {
                // held by a store of this process
            }
            channel.close();
            throw new UnavailableException(file + " is in use by another process or store");
        } catch (IOException e) {
            throw new UnavailableException(file + " cannot be locked: " + e, e);
        }
    }
}
