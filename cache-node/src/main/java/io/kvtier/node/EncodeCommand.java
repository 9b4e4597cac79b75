package io.kvtier.node;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.node.frames.FrameFolder;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvtier codec encode}: caches to frames in files. */
@Command(
        name = "encode",
        description = "Encode a cache, or each cache of a folder, to a frame a chunk.",
        mixinStandardHelpOptions = true)
final class EncodeCommand implements Callable<Integer> {
    private static final String SUFFIX = ".safetensors";

    @Mixin private CodecOptions codec = new CodecOptions();

    @Parameters(
            paramLabel = "IN",
            description = "safetensors with k, v, tokens as tools/kvlab dumps it, or a folder.")
    private Path in = Path.of("");

    @Option(
            names = "--out",
            paramLabel = "DIR",
            required = true,
            description = "Where to: 0000.kvt, ... and the prompt; DIR/NAME/ for a folder's files.")
    private Path out = Path.of("");

    @Option(
            names = "--model",
            paramLabel = "SHA256",
            description =
                    "Digest of the model's weights (default: what the file says, or else the digest"
                            + " of the model's name).")
    private @Nullable String model;

    @Override
    public Integer call() throws IOException {
        if (Files.isDirectory(in)) {
            List<String> names = encodeAll(in, out, codec, Optional.ofNullable(model));
            System.out.println("frames of " + names + " in " + out);
        } else {
            int chunks = encode(in, out, codec, Optional.ofNullable(model));
            System.out.println(chunks + " frames in " + out);
        }
        return ExitCode.OK;
    }

    /** Encodes each cache of a folder, to folders of their names, which it returns. */
    static List<String> encodeAll(Path in, Path out, CodecOptions codec, Optional<String> model)
            throws IOException {
        List<Path> files = caches(in);
        for (int i = 0; i < files.size(); i++) {
            String name = name(files.get(i));
            int chunks = encode(files.get(i), out.resolve(name), codec, model);
            System.err.printf(
                    Locale.ROOT,
                    "kvtier: encoded %d/%d %s: %d chunks%n",
                    i + 1,
                    files.size(),
                    name,
                    chunks);
        }
        return files.stream().map(EncodeCommand::name).toList();
    }

    private static int encode(Path in, Path out, CodecOptions codec, Optional<String> model)
            throws IOException {
        try (Arena arena = Arena.ofShared()) {
            CacheFile cache = CodecOptions.cache(in, model, arena);
            CacheCodec coder =
                    new CacheCodec(cache.namespace(), codec.profile(cache.namespace().geometry()));
            List<MemorySegment> frames = coder.encode(cache);
            FrameFolder _ = FrameFolder.write(out, cache, frames);
            return frames.size();
        }
    }

    /** The caches of a folder by name, at least one. */
    static List<Path> caches(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            List<Path> files =
                    entries.filter(path -> path.toString().endsWith(SUFFIX)).sorted().toList();
            InvalidRequestException.check(
                    !files.isEmpty(),
                    "files *" + SUFFIX + " in " + folder,
                    0,
                    "at least one: `python tools/kvlab/kvlab.py dump` makes them");
            return files;
        }
    }

    private static String name(Path file) {
        String name = String.valueOf(file.getFileName());
        return name.substring(0, name.length() - SUFFIX.length());
    }
}
