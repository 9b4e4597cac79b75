package io.kvtier.node.frames;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * One context's frames as files: {@code 0000.kvt}, {@code 0001.kvt}, … one a chunk, beside {@code
 * prompt.safetensors}, which holds what a reader knows before it has any of them: tokens and
 * namespace.
 *
 * @param path of the folder
 */
public record FrameFolder(Path path) {
    private static final String PROMPT = "prompt.safetensors";

    /** Writes a context, in the place of one that is there. */
    public static FrameFolder write(Path path, CacheFile cache, List<MemorySegment> frames)
            throws IOException {
        FrameFolder folder = new FrameFolder(path);
        Files.createDirectories(path);
        for (int i = 0; i < frames.size(); i++) {
            try (FileChannel out =
                    FileChannel.open(
                            folder.frame(i),
                            StandardOpenOption.CREATE,
                            StandardOpenOption.WRITE,
                            StandardOpenOption.TRUNCATE_EXISTING)) {
                var bytes = frames.get(i).asByteBuffer();
                while (bytes.hasRemaining()) {
                    int _ = out.write(bytes);
                }
            }
        }
        cache.writePrompt(path.resolve(PROMPT));
        return folder;
    }

    /**
     * The contexts at a path: the one that it is, or those in it, by name.
     *
     * @param only names of the contexts to take, empty = all
     * @throws InvalidRequestException if there is none, or a named one is missing
     */
    public static List<FrameFolder> at(Path path, List<String> only) throws IOException {
        FrameFolder whole = new FrameFolder(path);
        List<FrameFolder> found = whole.hasPrompt() ? List.of(whole) : within(path);
        List<String> names = found.stream().map(FrameFolder::name).toList();
        for (String name : only) {
            check(names.contains(name), "context", "'" + name + "'", "one of " + names);
        }
        return only.isEmpty()
                ? found
                : found.stream().filter(folder -> only.contains(folder.name())).toList();
    }

    private static List<FrameFolder> within(Path path) throws IOException {
        if (!Files.isDirectory(path)) {
            throw new InvalidRequestException(
                    path + " is not a folder, expected one that `kvtier codec encode` wrote");
        }
        try (Stream<Path> entries = Files.list(path)) {
            List<FrameFolder> folders =
                    entries.sorted().map(FrameFolder::new).filter(FrameFolder::hasPrompt).toList();
            if (folders.isEmpty()) {
                throw new InvalidRequestException(
                        path
                                + " has neither "
                                + PROMPT
                                + " nor folders with one, expected what `kvtier codec encode`"
                                + " wrote");
            }
            return folders;
        }
    }

    /** Whether a context is here. */
    public boolean hasPrompt() {
        return Files.isRegularFile(path.resolve(PROMPT));
    }

    /** Name of the context: the folder's. */
    public String name() {
        return String.valueOf(path.toAbsolutePath().normalize().getFileName());
    }

    /** Tokens and namespace. */
    public CacheFile prompt(Arena arena) throws IOException {
        return CacheFile.read(path.resolve(PROMPT), Optional.empty(), arena);
    }

    /** File of chunk {@code index}. */
    public Path frame(int index) {
        return path.resolve(String.format(Locale.ROOT, "%04d.kvt", index));
    }
}
