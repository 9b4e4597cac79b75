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
public final class StoreFolder {
    private static final Logger log = LoggerFactory.getLogger(StoreFolder.class);
    private static final String MARKER = "STORE";
    private static final DateTimeFormatter TIMESTAMP =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss.SSS'Z'").withZone(ZoneOffset.UTC);

    /**
     * KV bytes are as secret as the prompts that made them: only the node's own user reads them.
     */
    static final FileAttribute<?> PRIVATE =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

    private final Path folder;
    private final String layout;
    private final InstantSource clock;
    private long quarantineBytesLeft;

    /**
     * Makes the folder, or checks that it is one of ours.
     *
     * @param layout name and version of what the store writes here
     * @throws UnavailableException if it cannot be made or written, or a newer version wrote it
     */
    public StoreFolder(Path folder, String layout, InstantSource clock, long quarantineBytesMax) {
        this.folder = folder.toAbsolutePath();
        this.layout = "kvtier-store " + layout + "\n";
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

    /** Where one part of the store lives. */
    public Path part(String name) {
        return folder.resolve(name);
    }

    /** Makes the folder of a part, for our eyes only, unless it is there. */
    public Path makePart(String name) {
        try {
            return Files.createDirectories(part(name), PRIVATE);
        } catch (IOException e) {
            throw new UnavailableException(part(name) + " cannot be made: " + e, e);
        }
    }

    /** Where bad values are put aside. */
    public Path quarantine() {
        return folder.resolve("quarantine");
    }

    /** Bytes that may still be written to the disk. */
    public long usableBytes() {
        // Files.getFileStore would read the table of mounts at every call.
        long usable = folder.toFile().getUsableSpace();
        if (usable == 0 && !Files.isDirectory(folder)) {
            throw new UnavailableException("store folder " + folder + " is gone");
        }
        return usable;
    }

    /**
     * Moves a part that will not open out of the way, for a person to look at.
     *
     * @return where it is now
     */
    public Path setPartAside(String name) {
        Path target = folder.resolve("quarantine-" + TIMESTAMP.format(clock.instant()));
        try {
            return Files.move(part(name), target);
        } catch (IOException e) {
            throw new UnavailableException(
                    part(name) + " does not open and cannot be moved to " + target + ": " + e, e);
        }
    }

    /** Keeps a bad value for inspection if there is room; never fails. */
    public synchronized void setAside(StoreKey key, long generation, MemorySegment value) {
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
            Files.writeString(marker, layout);
            return;
        }
        String found = Files.readString(marker);
        if (!found.equals(layout)) {
            throw new UnavailableException(
                    "store folder "
                            + folder
                            + " holds \""
                            + found.strip()
                            + "\", this version reads \""
                            + layout.strip()
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
