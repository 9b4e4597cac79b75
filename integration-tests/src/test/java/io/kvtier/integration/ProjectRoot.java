package io.kvtier.integration;

import java.nio.file.Files;
import java.nio.file.Path;

/** The top folder of this repository, for tests that read its files or start its launcher. */
final class ProjectRoot {

    private ProjectRoot() {}

    /** The nearest folder above the working directory that holds {@code jvm.flags}. */
    static Path find() {
        Path start = Path.of("").toAbsolutePath();
        for (Path folder = start; folder != null; folder = folder.getParent()) {
            if (Files.exists(folder.resolve("jvm.flags"))) {
                return folder;
            }
        }
        throw new IllegalStateException("no jvm.flags in " + start + " nor above it");
    }
}
