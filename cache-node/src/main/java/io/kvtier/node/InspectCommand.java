package io.kvtier.node;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.ChunkDecoder;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.profile.Profile;
import io.kvtier.node.frames.FrameFolder;
import io.kvtier.node.frames.FramePicture;
import io.kvtier.node.frames.FrameReport;
import io.kvtier.node.frames.FrameSummary;
import io.kvtier.node.frames.LevelRequest;
import io.kvtier.node.frames.ReceivedFrame;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvtier codec inspect}: verifies a frame and shows where its bits go. */
@Command(
        name = "inspect",
        description = "Verify a frame; show where its bits go, by parts, layers, tokens, classes.",
        mixinStandardHelpOptions = true)
final class InspectCommand implements Callable<Integer> {
    @Mixin private CodecOptions codec = new CodecOptions();

    @Parameters(
            paramLabel = "FRAME",
            description = "A file that `codec encode` wrote, the prompt beside it.")
    private Path file = Path.of("");

    @Option(
            names = "--svg",
            paramLabel = "FILE",
            description = "Draw it, too, for light and dark pages.")
    private @Nullable Path svg;

    @Override
    public Integer call() throws IOException {
        ReceivedFrame got = ReceivedFrame.read(file, LevelRequest.everything().far());
        FrameSummary summary = new FrameSummary(got);
        Optional<FrameReport> report = report(summary);
        if (report.isEmpty()) {
            System.out.println(summary.text());
            check(svg == null, "picture", "not possible", why(got.header()));
            System.err.println("kvtier: for layers and tokens it takes " + why(got.header()));
            return ExitCode.OK;
        }
        System.out.println(report.get().text());
        if (svg != null) {
            String picture = FramePicture.draw(report.get());
            Path _ = Files.writeString(svg, picture);
            System.err.println("kvtier: drawn in " + svg);
        }
        return ExitCode.OK;
    }

    private String why(FrameHeader header) {
        if (header.kind() != Namespace.Kind.ADAPTIVE) {
            return "an adaptive frame, this one is exact";
        }
        return folder().hasPrompt()
                ? "--profile FILE, not a deep one, of id " + header.profile()
                : "prompt.safetensors beside the frame";
    }

    private FrameFolder folder() {
        Path parent = file.toAbsolutePath().getParent();
        return new FrameFolder(parent == null ? file : parent);
    }

    /** Empty when prompt or profile are missing. */
    private Optional<FrameReport> report(FrameSummary summary) throws IOException {
        FrameHeader header = summary.got().header();
        if (header.kind() != Namespace.Kind.ADAPTIVE || !folder().hasPrompt()) {
            return Optional.empty();
        }
        try (Arena arena = Arena.ofShared()) {
            CacheFile prompt = folder().prompt(arena);
            Namespace namespace = prompt.namespace();
            Profile profile = codec.profile(namespace.geometry());
            boolean shared =
                    profile.kind() == Profile.Kind.DEEP; // groups have no bits of their own
            if (shared || !profile.id().equals(header.profile())) {
                return Optional.empty();
            }
            List<Digest> keys = KeyChain.withRest(namespace, prompt.tokens());
            check(
                    keys.contains(header.key()),
                    file + ": chunk key",
                    header.key(),
                    "one of the prompt beside it");
            return Optional.of(decode(summary, namespace, profile));
        }
    }

    private FrameReport decode(FrameSummary summary, Namespace namespace, Profile profile) {
        FrameHeader header = summary.got().header();
        MemorySegment frame = summary.got().frame();
        ChunkDecoder decoder = new ChunkDecoder(namespace, profile);
        decoder.begin(header);
        try {
            for (int s = 0; s < header.firstSegment(summary.held()); s++) {
                int bytes = header.segments().get(s).bytes();
                decoder.accept(s, frame.asSlice(header.offset(s), bytes));
            }
        } catch (CorruptChunkException e) {
            throw new InvalidRequestException(file + " is damaged: " + e.getMessage());
        }
        return new FrameReport(summary, profile, decoder.codeLengths(header));
    }
}
