package io.kvtier.integration;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * A wall clock that jumps: a library loaded in front of the system's adds an offset, which a file
 * holds, to what a process sees of CLOCK_REALTIME. The monotonic clock stays as it is, and so does
 * the machine's own. Takes a C compiler.
 */
final class ClockShift {
    private static final int COMPILE_SECONDS = 60;

    private static final String SOURCE =
            """
            #define _GNU_SOURCE
            #include <dlfcn.h>
            #include <fcntl.h>
            #include <stdlib.h>
            #include <string.h>
            #include <sys/time.h>
            #include <time.h>
            #include <unistd.h>

            static int (*real)(clockid_t, struct timespec *);

            /* Milliseconds as decimal text; 0 when there is no file. */
            static long long offset(void) {
                char text[32];
                const char *name = getenv("CLOCK_SHIFT_FILE");
                int file = name ? open(name, O_RDONLY) : -1;
                if (file < 0) return 0;
                ssize_t size = read(file, text, sizeof text - 1);
                close(file);
                if (size <= 0) return 0;
                text[size] = 0;
                return atoll(text);
            }

            static void mark(void) {
                char name[1024];
                const char *base = getenv("CLOCK_SHIFT_FILE");
                if (!base || strlen(base) > 1000) return;
                strcpy(name, base);
                strcat(name, ".seen");
                int file = open(name, O_WRONLY | O_CREAT, 0600);
                if (file >= 0) close(file);
            }

            int clock_gettime(clockid_t clock, struct timespec *out) {
                if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
                int result = real(clock, out);
                if (clock == CLOCK_REALTIME && result == 0) {
                    long long shift = offset();
                    if (shift) {
                        long long millis = out->tv_nsec / 1000000 + shift;
                        long long seconds = millis / 1000;
                        millis %= 1000;
                        if (millis < 0) { millis += 1000; seconds--; }
                        out->tv_sec += seconds;
                        out->tv_nsec = millis * 1000000 + out->tv_nsec % 1000000;
                        mark();
                    }
                }
                return result;
            }

            int gettimeofday(struct timeval *out, void *zone) {
                struct timespec now;
                (void) zone;
                clock_gettime(CLOCK_REALTIME, &now);
                out->tv_sec = now.tv_sec;
                out->tv_usec = now.tv_nsec / 1000;
                return 0;
            }
            """;

    private final Path folder;
    private final Path library;

    private ClockShift(Path folder, Path library) {
        this.folder = folder;
        this.library = library;
    }

    /** Makes the library; empty where there is no compiler. */
    static Optional<ClockShift> make(Path folder) throws InterruptedException {
        try {
            Path source = Files.writeString(folder.resolve("clockshift.c"), SOURCE);
            Path library = folder.resolve("clockshift.so");
            Process compiler =
                    new ProcessBuilder(
                                    "gcc",
                                    "-O1",
                                    "-shared",
                                    "-fPIC",
                                    "-o",
                                    library.toString(),
                                    source.toString(),
                                    "-ldl")
                            .inheritIO()
                            .start();
            boolean made =
                    compiler.waitFor(COMPILE_SECONDS, TimeUnit.SECONDS)
                            && compiler.exitValue() == 0;
            return made ? Optional.of(new ClockShift(folder, library)) : Optional.empty();
        } catch (IOException e) {
            System.out.println("no clock that jumps here: " + e.getMessage());
            return Optional.empty();
        }
    }

    /** What a node's process has to be started with. */
    Map<String, String> environment(int node) {
        return Map.of("LD_PRELOAD", library.toString(), "CLOCK_SHIFT_FILE", file(node).toString());
    }

    /** A node's wall clock is so much ahead of the machine's from now on. */
    void jump(int node, long millis) throws IOException {
        Path next = Files.writeString(folder.resolve("clock.next"), Long.toString(millis));
        Path _ =
                Files.move(
                        next,
                        file(node),
                        java.nio.file.StandardCopyOption.REPLACE_EXISTING,
                        java.nio.file.StandardCopyOption.ATOMIC_MOVE);
    }

    /** Whether the node has ever asked for the time and got another. */
    boolean wasSeen(int node) {
        return Files.exists(Path.of(file(node) + ".seen"));
    }

    private Path file(int node) {
        return folder.resolve("clock-" + node);
    }
}
