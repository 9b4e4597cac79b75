package io.kvtier.node;

import io.kvtier.node.frames.LevelRequest;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code kvtier codec roundtrip}: caches to frames in files, and from those files back in a process
 * of its own, which knows nothing but them.
 */
@Command(
        name = "roundtrip",
        description = {
            "Encode each cache of a folder once, then decode in a second process what a request at",
            "a level gets of the frames' files, and say what is stored and sent."
        },
        mixinStandardHelpOptions = true)
final class RoundtripCommand implements Callable<Integer> {
    @Mixin private CodecOptions codec = new CodecOptions();

    @Option(
            names = "--in",
            paramLabel = "DIR",
            required = true,
            description = "safetensors with k, v, tokens, as tools/kvlab dumps them.")
    private Path in = Path.of("");

    @Option(
            names = "--out",
            paramLabel = "DIR",
            required = true,
            description = "Where the decoded caches go, under the same names.")
    private Path out = Path.of("");

    @Option(
            names = "--level",
            paramLabel = "LEVEL",
            required = true,
            description =
                    "A level of the profile: see `kvtier profile inspect`. The data-free codec has"
                            + " best, recent, near, tail, flat.")
    private String level = "";

    @Option(
            names = "--no-recency",
            description = "Ask of the last chunk what is asked of the others.")
    private boolean noRecency;

    @Option(
            names = "--frames",
            paramLabel = "DIR",
            description = "Keep the frames: DIR/NAME/0000.kvt, ... (default: they are deleted).")
    private @Nullable Path frames;

    @Option(
            names = "--model",
            paramLabel = "SHA256",
            description = "Digest of the model's weights, if the files do not name it.")
    private @Nullable String model;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (frames != null) {
            return through(frames);
        }
        try (TemporaryFolder folder = TemporaryFolder.create("kvtier-frames")) {
            return through(folder.path());
        }
    }

    private int through(Path folder) throws IOException, InterruptedException {
        LevelRequest _ = LevelRequest.of(codec.levels(), level); // a slip costs no encoding
        List<String> names = EncodeCommand.encodeAll(in, folder, codec, Optional.ofNullable(model));
        Process decoder = new ProcessBuilder(decoder(folder, names)).inheritIO().start();
        try {
            return decoder.waitFor();
        } finally {
            decoder.destroyForcibly();
        }
    }

    /** The same Java, flags and classes, to decode what this process wrote. */
    private List<String> decoder(Path folder, List<String> names) {
        List<String> line = new ArrayList<>();
        line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        line.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        line.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        line.addAll(List.of("codec", "decode", folder.toString(), "--out", out.toString()));
        line.addAll(List.of("--level", level, "--only", String.join(",", names)));
        line.addAll(codec.arguments());
        if (noRecency) {
            line.add("--no-recency");
        }
        if (json) {
            line.add("--json");
        }
        return line;
    }
}
