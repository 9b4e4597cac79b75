package io.kvtier.node;

import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of every command that reads a cache's file, which with it name its namespace. */
final class CacheOptions {
    @Option(
            names = "--model",
            paramLabel = "SHA256",
            description = "Digest of the model's weights, if the file does not name it.")
    private @Nullable String model;

    @Option(
            names = "--exact",
            description =
                    "Keep every bit: a namespace of its own, which put, match and get must name.")
    private boolean exact;

    boolean exact() {
        return exact;
    }

    /** Reads a file as these options say; memory belongs to the arena. */
    CacheFile read(Path file, Arena arena) throws IOException {
        CacheFile cache = CacheFile.read(file, Optional.ofNullable(model), arena);
        return exact ? cache.exact() : cache;
    }
}
