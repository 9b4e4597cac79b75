package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvtier.client.Deadline;
import io.kvtier.client.Delivery;
import io.kvtier.client.FrameCollector;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.codec.DecodedChunk;
import io.kvtier.codec.FrameCodec;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileFile;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvtier get}: streams the longest held prefix of a prompt and decodes it. */
@Command(
        name = "get",
        description = "Fetch the longest held prefix of a file's tokens, decoded, as safetensors.",
        mixinStandardHelpOptions = true)
final class GetCommand implements Callable<Integer> {
    private static final long FRAMES_BYTES_MAX = 4L << 30;

    @Mixin private NodeAddress address = new NodeAddress();
    @Mixin private CacheOptions cacheOptions = new CacheOptions();

    @Parameters(
            paramLabel = "FILE",
            description = "safetensors with 'tokens'; its metadata (or k, v) name the namespace.")
    private Path file = Path.of("");

    @Option(names = "--out", paramLabel = "FILE", required = true, description = "Where to.")
    private Path out = Path.of("");

    @Override
    public Integer call() throws IOException {
        try (Arena arena = Arena.ofShared();
                KvtierClient client = address.connect()) {
            CacheFile prompt = cacheOptions.read(file, arena);
            Deadline deadline = client.within(address.deadline());
            Match match = client.match(prompt.namespace(), prompt.tokens(), deadline);
            FrameCollector frames = new FrameCollector(arena, FRAMES_BYTES_MAX);
            Delivery delivery = client.open(match, deadline, StreamOptions.defaults(), frames);
            if (delivery.delivered() == 0) {
                print(delivery, 0);
                return ExitCode.MISS;
            }
            int count = 0;
            for (int i = 0; i < delivery.delivered(); i++) {
                count += match.chunks().get(i).tokens();
            }
            CacheFile cache = prompt.prefix(count, arena);
            Digest id = frames.chunk(0).orElseThrow().header().profile();
            Namespace namespace = prompt.namespace();
            FrameCodec codec =
                    FrameCodec.ofProfile(
                            namespace, id, named -> profile(named, namespace.geometry(), client));
            List<DecodedChunk> _ = new CacheCodec(codec).decode(delivery, frames, cache);
            cache.write(out);
            print(delivery, count);
            return ExitCode.OK;
        }
    }

    private Profile profile(Digest id, Geometry geometry, KvtierClient client) {
        return client.profile(id, client.within(address.deadline()))
                .map(bytes -> ProfileFile.read(bytes, geometry))
                .orElseThrow(
                        () -> new UnavailableException("the node has no profile " + id.brief()));
    }

    private void print(Delivery delivery, int tokens) {
        long elapsedMs = TimeUnit.NANOSECONDS.toMillis(delivery.elapsedNanos());
        List<String> rungs = delivery.chunks().stream().map(c -> c.grade().toString()).toList();
        if (address.json()) {
            ObjectNode root = new ObjectMapper().createObjectNode();
            root.put("matchedChunks", delivery.hit()).put("chunks", delivery.delivered());
            root.put("tokens", tokens).put("bytes", delivery.bytes());
            root.put("elapsedMs", elapsedMs).put("end", delivery.end().name());
            root.put("message", delivery.endMessage());
            rungs.forEach(rung -> root.withArray("rungs").add(rung));
            System.out.println(root);
            return;
        }
        System.out.println(
                delivery.delivered()
                        + " of "
                        + delivery.hit()
                        + " matched chunks, "
                        + tokens
                        + " tokens, rungs "
                        + rungs
                        + ", "
                        + delivery.bytes()
                        + " bytes in "
                        + elapsedMs
                        + " ms, cut by "
                        + delivery.end()
                        + (delivery.endMessage().isEmpty() ? "" : ": " + delivery.endMessage()));
    }
}
