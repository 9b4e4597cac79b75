package io.kvtier.flight;

import io.kvtier.codec.error.UnavailableException;
import io.kvtier.storage.NanoClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a file says, read again when the file changes. A change that cannot be read leaves what was
 * read before, with one ERROR in the log, so that a slip of the editor locks nobody out.
 *
 * <p>Thread-safety: all methods.
 */
final class Reloaded<T> {
    private static final Logger log = LoggerFactory.getLogger(Reloaded.class);
    private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Path file;
    private final Function<Path, T> reader;
    private final NanoClock clock;

    private volatile T value;
    private volatile long lookedNanos;
    private FileTime modified;

    /**
     * Reads the file.
     *
     * @param reader throws a RuntimeException that says what is wrong with a file
     */
    Reloaded(Path file, Function<Path, T> reader, NanoClock clock) {
        this.file = file;
        this.reader = reader;
        this.clock = clock;
        modified = modifiedOf(file);
        value = reader.apply(file);
        lookedNanos = clock.nanoTime();
    }

    /** What the file says now, or said a second ago. */
    T get() {
        if (clock.nanoTime() - lookedNanos >= LOOK_NANOS) {
            look();
        }
        return value;
    }

    private synchronized void look() {
        if (clock.nanoTime() - lookedNanos < LOOK_NANOS) {
            return;
        }
        lookedNanos = clock.nanoTime();
        try {
            FileTime now = modifiedOf(file);
            if (!now.equals(modified)) {
                modified = now;
                value = reader.apply(file);
                log.info("read again file={}", file);
            }
        } catch (RuntimeException e) { // whatever is wrong with it, what was read stays
            log.error("cannot be read, what it said before stays: file={}", file, e);
        }
    }

    private static FileTime modifiedOf(Path file) {
        try {
            return Files.getLastModifiedTime(file);
        } catch (IOException e) {
            throw new UnavailableException(file + " cannot be read: " + e.getMessage(), e);
        }
    }
}
