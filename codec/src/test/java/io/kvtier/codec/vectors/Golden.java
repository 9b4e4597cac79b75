package io.kvtier.codec.vectors;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Files under {@code src/test/resources} that a test makes and holds: written anew by {@code
 * -Dkvtier.vectors.write=true}, compared otherwise.
 */
final class Golden {
    private static final Path RESOURCES = Path.of("src", "test", "resources");

    private Golden() {}

    /** Holds {@code vectors/<name>.json} to be this value. */
    static void holdJson(String name, Object value) throws IOException {
        hold(Path.of("vectors", name + ".json"), (Json.render(value) + "\n").getBytes(UTF_8));
    }

    /** Holds one input of a fuzz target to be these bytes. */
    static void holdSeed(String target, String name, byte[] bytes) throws IOException {
        Path inputs = Path.of("io", "kvtier", "codec", "fuzz", "ParserFuzzTestInputs");
        hold(inputs.resolve(target).resolve(name), bytes);
    }

    private static void hold(Path relative, byte[] bytes) throws IOException {
        Path file = RESOURCES.resolve(relative);
        if (Boolean.getBoolean("kvtier.vectors.write")) {
            Files.createDirectories(file.resolveSibling("."));
            Files.write(file, bytes);
            return;
        }
        assertThat(Files.readAllBytes(file))
                .as(
                        "%s: a format changed; if it should, make the file anew with"
                                + " -Dkvtier.vectors.write=true and mirror it in Python",
                        file)
                .isEqualTo(bytes);
    }
}
