package io.kvtier.storage.log;

import io.kvtier.storage.NanoClock;
import io.kvtier.storage.Retention;
import io.kvtier.storage.RetentionOptions;
import io.kvtier.storage.TestChunks.ManualClock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/** Folders of logs, and what a log needs around it. */
final class Logs {
    private Logs() {}

    /** A clock that stands still, and a background that is the caller's own thread. */
    static LogSurroundings surroundings() {
        return surroundings(new ManualClock());
    }

    static LogSurroundings surroundings(ManualClock clock) {
        return new LogSurroundings(
                clock,
                InstantSource.system(),
                new SplittableRandom(20_261_124),
                Runnable::run,
                retention(clock));
    }

    /** Nothing is pinned, nothing expires. */
    static Retention retention(NanoClock clock) {
        return Retention.inMemory(RetentionOptions.ofPinnedBytesMax(0), clock);
    }

    static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }

    static void copyTree(Path source, Path target) throws IOException {
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(source)) {
            paths = walk.filter(path -> !path.startsWith(target)).toList();
        }
        for (Path path : paths) {
            Path copy = target.resolve(source.relativize(path));
            if (Files.isDirectory(path)) {
                Files.createDirectories(copy);
            } else {
                Files.copy(path, copy);
            }
        }
    }

    static void deleteTree(Path folder) throws IOException {
        try (Stream<Path> walk = Files.walk(folder)) {
            for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    /** Flips one bit where these bytes stand; false if they do not. */
    static boolean flip(Path file, byte[] needle) {
        try {
            byte[] bytes = Files.readAllBytes(file);
            for (int i = 0; i + needle.length <= bytes.length; i++) {
                if (Arrays.equals(bytes, i, i + needle.length, needle, 0, needle.length)) {
                    bytes[i] ^= 0x10;
                    Files.write(file, bytes);
                    return true;
                }
            }
            return false;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
