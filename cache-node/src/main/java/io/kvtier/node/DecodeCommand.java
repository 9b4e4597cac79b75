package io.kvtier.node;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.DecodedChunk;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.profile.Profile;
import io.kvtier.node.frames.ChunkRequest;
import io.kvtier.node.frames.FrameFolder;
import io.kvtier.node.frames.LevelRequest;
import io.kvtier.node.frames.ReceivedFrame;
import io.kvtier.node.frames.SizeReport;
import io.kvtier.node.frames.VisibleGroups;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvtier codec decode}: frames in files to caches, at a level. */
@Command(
        name = "decode",
        description = "Decode frames as a request at a level gets them; say what that costs.",
        mixinStandardHelpOptions = true)
final class DecodeCommand implements Callable<Integer> {
    @Mixin private CodecOptions codec = new CodecOptions();

    @Parameters(
            paramLabel = "FRAMES",
            description = "A folder that `codec encode` wrote, of one context or of many.")
    private Path in = Path.of("");

    @Option(
            names = "--out",
            paramLabel = "PATH",
            required = true,
            description = "A safetensors file; a folder for a folder of contexts.")
    private Path out = Path.of("");

    @Option(
            names = "--level",
            paramLabel = "LEVEL",
            description = "A level of the profile (default: everything that is stored).")
    private @Nullable String level;

    @Option(
            names = "--no-recency",
            description = "Ask of the last chunk what is asked of the others.")
    private boolean noRecency;

    @Option(
            names = "--only",
            paramLabel = "NAME",
            split = ",",
            description = "Of a folder of contexts, these alone; comma separated.")
    private List<String> only = List.of();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        List<FrameFolder> folders = FrameFolder.at(in, only);
        boolean single = folders.getFirst().path().equals(in);
        List<SizeReport.Context> contexts = new ArrayList<>();
        LevelRequest request = LevelRequest.everything();
        Digest id = Digest.ZERO;
        for (FrameFolder folder : folders) {
            try (Arena arena = Arena.ofShared()) {
                CacheFile prompt = folder.prompt(arena);
                Profile profile = codec.profile(prompt.namespace().geometry());
                id = profile.id();
                request = request(profile);
                Path file = single ? out : out.resolve(folder.name() + ".safetensors");
                contexts.add(decode(folder, prompt, request, profile, file));
            }
            System.err.printf(
                    Locale.ROOT,
                    "kvtier: decoded %d/%d %s%n",
                    contexts.size(),
                    folders.size(),
                    folder.name());
        }
        SizeReport report = new SizeReport(request, id, contexts);
        System.out.println(json ? report.json() : report.table());
        return ExitCode.OK;
    }

    private LevelRequest request(Profile profile) {
        LevelRequest request =
                level == null
                        ? LevelRequest.everything()
                        : LevelRequest.of(profile.levels(), level);
        return noRecency ? request.withoutRecency() : request;
    }

    private SizeReport.Context decode(
            FrameFolder folder, CacheFile prompt, LevelRequest request, Profile profile, Path file)
            throws IOException {
        Namespace namespace = prompt.namespace();
        CacheCodec decoder = new CacheCodec(namespace, profile);
        List<Digest> keys = KeyChain.withRest(namespace, prompt.tokens());
        List<String> rungs = new ArrayList<>();
        long bytes = 0;
        long storedBytes = 0;
        long needed = 0;
        try (Arena arena = Arena.ofShared()) {
            CacheFile cache = prompt.prefix(prompt.tokens().length, arena);
            for (int i = 0; i < keys.size(); i++) {
                Path path = folder.frame(i);
                int size = cache.chunkTokens(i);
                int end = i * namespace.chunkTokens() + size;
                VisibleGroups visible =
                        VisibleGroups.of(
                                profile, namespace.geometry(), end, size, prompt.tokens().length);
                ChunkRequest asked = request.chunk(i, keys.size()).without(visible.hidden());
                ReceivedFrame got = ReceivedFrame.read(path, asked);
                check(
                        got.header().key().equals(keys.get(i)),
                        path + ": chunk key",
                        got.header().key(),
                        keys.get(i) + " of the prompt beside it");
                check(
                        got.header().profile().equals(profile.id()),
                        path + ": profile",
                        got.header().profile(),
                        profile.id()
                                + " of "
                                + codec.profileName()
                                + ": name by --profile the one"
                                + " that encoded it");
                decode(decoder, got, cache, path);
                rungs.add(got.grade().toString());
                needed += visible.elements();
                bytes += got.bytes();
                storedBytes += got.fileBytes();
            }
            cache.write(file);
        }
        long tokens = prompt.tokens().length;
        long elements = tokens * namespace.geometry().elementsPerToken();
        return new SizeReport.Context(folder.name(), elements, needed, bytes, storedBytes, rungs);
    }

    private static void decode(CacheCodec codec, ReceivedFrame got, CacheFile cache, Path path) {
        try {
            DecodedChunk _ =
                    codec.decode(got.header(), got.frame(), cache, got.segments()::contains);
        } catch (CorruptChunkException e) {
            throw new InvalidRequestException(path + " is damaged: " + e.getMessage());
        }
    }
}
