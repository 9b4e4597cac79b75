package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvtier.client.Deadline;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.PutOptions;
import io.kvtier.codec.FrameCodec;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvtier put}: encodes a cache and stores its chunks. */
@Command(
        name = "put",
        description = "Store the KV cache of a safetensors file (k, v, tokens), chunk by chunk.",
        mixinStandardHelpOptions = true)
final class PutCommand implements Callable<Integer> {
    @Mixin private NodeAddress address = new NodeAddress();
    @Mixin private CacheOptions cacheOptions = new CacheOptions();

    @Parameters(paramLabel = "FILE", description = "As tools/kvlab dumps it.")
    private Path file = Path.of("");

    @Option(
            names = "--durability",
            defaultValue = "DISK",
            description = "Before it is acknowledged: ${COMPLETION-CANDIDATES}.")
    private Persistence durability = Persistence.DISK;

    @Option(
            names = "--copies",
            paramLabel = "N",
            defaultValue = "1",
            description = "Nodes that must have them before it is acknowledged (${DEFAULT-VALUE}).")
    private int copies = 1;

    @Option(
            names = "--ttl",
            paramLabel = "TIME",
            converter = NodeAddress.Time.class,
            description = "After which the chunks expire: 30s, 10min, 12h, 7d.")
    private Duration ttl = Duration.ZERO;

    @Option(
            names = "--profile",
            paramLabel = "FILE",
            description =
                    "Calibrated profile of the model; without it the data-free codec is used.")
    private @Nullable Path profile;

    @Override
    public Integer call() throws IOException {
        try (Arena arena = Arena.ofShared();
                KvtierClient client = address.connect()) {
            CacheFile cache = cacheOptions.read(file, arena);
            InvalidRequestException.check(
                    cache.keys().isPresent(), "tensor 'k' of " + file, "missing", "a whole cache");
            List<MemorySegment> frames = new CacheCodec(codec(cache, client)).encode(cache);
            Deadline deadline = client.within(address.deadline());
            List<PutReply> replies =
                    client.put(
                            cache.namespace(),
                            frames,
                            PutOptions.of(durability).withCopies(copies).withTtl(ttl),
                            deadline);
            print(cache, frames, replies);
            boolean all = replies.stream().noneMatch(r -> r.status() == PutReply.Status.REJECTED);
            return all ? ExitCode.OK : ExitCode.UNAVAILABLE;
        }
    }

    private FrameCodec codec(CacheFile cache, KvtierClient client) throws IOException {
        if (profile == null) {
            return FrameCodec.withoutProfile(cache.namespace());
        }
        InvalidRequestException.check(
                !cacheOptions.exact(), "--profile", profile, "none together with --exact");
        byte[] bytes = Files.readAllBytes(profile);
        Profile read = CodecOptions.read(profile, bytes, cache.namespace().geometry());
        Digest _ = client.putProfile(bytes, client.within(address.deadline()));
        return new FrameCodec.Adaptive(cache.namespace(), read);
    }

    private void print(CacheFile cache, List<MemorySegment> frames, List<PutReply> replies) {
        long bytes = frames.stream().mapToLong(MemorySegment::byteSize).sum();
        long raw = cache.namespace().geometry().decodedBytes(cache.tokens().length);
        if (address.json()) {
            ObjectNode root = new ObjectMapper().createObjectNode();
            root.put("namespace", cache.namespace().digest().toString());
            root.put("tokens", cache.tokens().length);
            root.put("bytes", bytes).put("rawBytes", raw);
            replies.forEach(
                    reply ->
                            root.withArray("chunks")
                                    .addObject()
                                    .put("key", reply.key().toString())
                                    .put("encodingId", reply.encodingId().toString())
                                    .put("status", reply.status().name())
                                    .put("durability", reply.durability().name())
                                    .put("copies", reply.copies())
                                    .put("message", reply.message()));
            System.out.println(root);
            return;
        }
        for (PutReply reply : replies) {
            System.out.println(
                    (reply.key().brief() + " " + reply.status() + " " + reply.message()).strip());
        }
        System.out.printf(
                Locale.ROOT,
                "%d chunks, %d tokens, %d bytes (%.1fx smaller than the tensors)%n",
                replies.size(),
                cache.tokens().length,
                bytes,
                (double) raw / bytes);
    }
}
