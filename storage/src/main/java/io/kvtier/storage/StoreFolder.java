package io.kvtier.storage;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The folder of a store on disk: what it holds, who may read it, and where bad things are put
 * aside.
 *
 * <p>Thread-safety: {@link #setAside(StoreKey, long, MemorySegment)} from any thread, the rest
 * while the store opens.
 */
final class StoreFolder {
    private static final Logger log = LoggerFactory.getLogger(StoreFolder.class);
    private static final String MARKER = "STORE";
    private static final String LAYOUT = "kvtier-store rocks 1\n";
    private static final DateTimeFormatter TIMESTAMP =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss.SSS'Z'").withZone(ZoneOffset.UTC);

    /**
     * KV bytes are as secret as the prompts that made them: only the node's own user reads them.
     */
    private static final FileAttribute<?> PRIVATE =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

    private final Path folder;
    private final InstantSource clock;
    private long quarantineBytesLeft;

    /**
     * Makes the folder, or checks that it is one of ours.
     *
     * @throws UnavailableException if it cannot be made or written, or a newer version wrote it
     */
    StoreFolder(Path folder, InstantSource clock, long quarantineBytesMax) {
        this.folder = folder.toAbsolutePath();
        this.clock = clock;
        try {
            Files.createDirectories(this.folder, PRIVATE);
            // A read-only mount shows only when something is written.
            Files.delete(Files.createTempFile(this.folder, "probe", ""));
            requireLayout();
            Files.createDirectories(quarantine(), PRIVATE);
            quarantineBytesLeft = quarantineBytesMax - bytesIn(quarantine());
        } catch (IOException e) {
            throw new UnavailableException(
                    "store folder "
                            + this.folder
                            + " cannot be made or written ("
                            + e
                            + "): name a folder that this user may write",
                    e);
        }
    }

    /** Where the database lives. */
    Path database() {
        return folder.resolve("db");
    }

    /** Where bad values are put aside. */
    Path quarantine() {
        return folder.resolve("quarantine");
    }

    /** Bytes that may still be written to the disk. */
    long usableBytes() {
        try {
            return Files.getFileStore(folder).getUsableSpace();
        } catch (IOException e) {
            throw new UnavailableException("store folder " + folder + " is gone: " + e, e);
        }
    }

    /**
     * Moves a database that will not open out of the way, for a person to look at.
     *
     * @return where it is now
     */
    Path setDatabaseAside() {
        Path target = folder.resolve("quarantine-" + TIMESTAMP.format(clock.instant()));
        try {
            return Files.move(database(), target);
        } catch (IOException e) {
            throw new UnavailableException(
                    database() + " does not open and cannot be moved to " + target + ": " + e, e);
        }
    }

    /** Keeps a bad value for inspection if there is room; never fails. */
    synchronized void setAside(StoreKey key, long generation, MemorySegment value) {
        if (value.byteSize() > quarantineBytesLeft) {
            log.warn("quarantine full, value dropped key={} bytes={}", key, value.byteSize());
            return;
        }
        Path file = quarantine().resolve(key + "-" + generation + ".bin");
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            ByteBuffer bytes = value.asByteBuffer();
            while (bytes.hasRemaining()) {
                quarantineBytesLeft -= channel.write(bytes);
            }
        } catch (IOException e) {
            log.warn(
                    "bad value could not be kept key={} file={} cause={}", key, file, e.toString());
        }
    }

    private void requireLayout() throws IOException {
        Path marker = folder.resolve(MARKER);
        if (!Files.exists(marker)) {
            Files.writeString(marker, LAYOUT);
            return;
        }
        String found = Files.readString(marker);
        if (!found.equals(LAYOUT)) {
            throw new UnavailableException(
                    "store folder "
                            + folder
                            + " holds \""
                            + found.strip()
                            + "\", this version reads \""
                            + LAYOUT.strip()
                            + "\": use the version that wrote it, or another folder");
        }
    }

    private static long bytesIn(Path folder) throws IOException {
        long bytes = 0;
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                bytes += Files.size(file);
            }
        }
        return bytes;
    }
}
