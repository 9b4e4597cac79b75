package io.kvtier.node;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Deadline;
import io.kvtier.client.Delivery;
import io.kvtier.client.FrameCollector;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.NanoClock;
import io.kvtier.client.StreamOptions;
import io.kvtier.client.link.ThrottlingProxy;
import io.kvtier.codec.DecodedChunk;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.profile.DataFree;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.config.NodeConfig;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier demo}: a real cache, put once and streamed back over three links. */
@Command(
        name = "demo",
        description = "Put a real KV cache into an embedded node, stream it over three links.",
        mixinStandardHelpOptions = true)
final class DemoCommand implements Callable<Integer> {
    private static final int[] MEGABITS = {0, 200, 20};
    private static final int DECODED_FIRST = 3;
    private static final long FRAMES_BYTES_MAX = 256L << 20;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "Keep what was decoded: DIR/LINK/novel.safetensors.")
    private @Nullable Path out;

    @Option(
            names = "--deadline",
            paramLabel = "TIME",
            defaultValue = "2350ms",
            converter = NodeAddress.Time.class,
            description = "Of each link, decoding included (default ${DEFAULT-VALUE}).")
    private Duration deadline = Duration.ofMillis(2350);

    private final NanoClock clock = NanoClock.system();

    @Override
    public Integer call() throws IOException {
        Path home = Path.of(System.getProperty("kvtier.home", ""));
        Path sample = home.resolve("examples/sample/novel.safetensors");
        Path folder = Files.createTempDirectory("kvtier-demo");
        NodeConfig usual = NodeConfig.defaults();
        NodeConfig config =
                new NodeConfig(
                        new NodeConfig.Listen("127.0.0.1", 0),
                        new NodeConfig.Storage(folder.resolve("node"), 256L << 20, 1L << 30),
                        usual.limits());
        try (Arena arena = Arena.ofShared();
                CacheNode node = CacheNode.start(config)) {
            progress("node on " + node.endpoint());
            CacheFile cache = CacheFile.read(sample, Optional.empty(), arena);
            progress("sample of " + cache.tokens().length + " tokens read and verified");
            CacheCodec codec =
                    new CacheCodec(cache.namespace(), DataFree.of(cache.namespace().geometry()));
            long decodeNanos = put(cache, codec, node, arena);
            List<DemoLink> links = new ArrayList<>();
            for (int megabits : MEGABITS) {
                links.add(stream(megabits, cache, codec, node, decodeNanos));
            }
            System.out.println(json ? DemoLink.json(links) : DemoLink.table(links));
            boolean sound = links.stream().allMatch(link -> link.error().within());
            return sound ? ExitCode.OK : ExitCode.INTERNAL;
        } finally {
            delete(folder);
        }
    }

    /** Encodes and stores the cache; returns the time to decode all of it on this machine. */
    private long put(CacheFile cache, CacheCodec codec, CacheNode node, Arena arena) {
        long start = clock.nanoTime();
        List<MemorySegment> frames = codec.encode(cache);
        progress(frames.size() + " chunks encoded in " + millis(start) + " ms");
        try (KvtierClient client =
                KvtierClient.connect(node.endpoint(), ClientOptions.defaults())) {
            Deadline end = client.within(Duration.ofSeconds(15));
            for (PutReply reply : client.put(cache.namespace(), frames, Persistence.DISK, end)) {
                if (reply.status() != PutReply.Status.STORED) {
                    throw new CommandException(
                            ExitCode.INTERNAL,
                            "put of " + reply.key().brief() + ": " + reply.message());
                }
            }
            long bytes = frames.stream().mapToLong(MemorySegment::byteSize).sum();
            progress("stored on disk: " + bytes + " bytes, every rung included");
            return readBack(client, end, cache, codec, arena);
        }
    }

    /** The writer reads what it stored, which also warms up the compiler, and times decoding. */
    private long readBack(
            KvtierClient client, Deadline end, CacheFile cache, CacheCodec codec, Arena arena) {
        Match match = client.match(cache.namespace(), cache.tokens(), end);
        FrameCollector collected = new FrameCollector(arena, FRAMES_BYTES_MAX);
        // Slow links bring little more than the base, and on fast ones there is time to spare.
        StreamOptions base = StreamOptions.defaults().withRungMax(0);
        Delivery delivery = client.open(match, end, base, collected);
        CacheFile scratch = cache.prefix(cache.tokens().length, arena);
        long nanos = 0;
        for (int i = 0; i < DECODED_FIRST; i++) {
            long from = clock.nanoTime();
            List<DecodedChunk> _ = codec.decode(delivery, collected, scratch);
            nanos = clock.nanoTime() - from;
        }
        progress("base of every chunk read back; decoded in " + nanos / 1_000_000 + " ms");
        return nanos;
    }

    /** One reader on one link: another prompt that shares the prefix. */
    private DemoLink stream(
            int megabits, CacheFile cache, CacheCodec codec, CacheNode node, long decodeNanos)
            throws IOException {
        String name = megabits == 0 ? "unshaped" : megabits + "mbit";
        Namespace namespace = cache.namespace();
        int[] prompt = Arrays.copyOf(cache.tokens(), cache.tokens().length + 128);
        System.arraycopy(cache.nextTokens(), 0, prompt, cache.tokens().length, 128);
        try (Arena arena = Arena.ofShared();
                ThrottlingProxy proxy =
                        ThrottlingProxy.start(node.port(), megabits, Duration.ZERO);
                KvtierClient client =
                        KvtierClient.connect(proxy.endpoint(), ClientOptions.defaults())) {
            long start = clock.nanoTime();
            Deadline end = client.within(deadline);
            Match match = client.match(namespace, prompt, end);
            FrameCollector frames = new FrameCollector(arena, FRAMES_BYTES_MAX);
            StreamOptions options = StreamOptions.defaults().withDecodeNanosPerChunk(decodeNanos);
            Delivery delivery = client.open(match, end, options, frames);
            int tokens = 0;
            for (int i = 0; i < delivery.delivered(); i++) {
                tokens += match.chunks().get(i).tokens();
            }
            CacheFile decoded = cache.prefix(tokens, arena);
            List<DecodedChunk> chunks = codec.decode(delivery, frames, decoded);
            double elapsedMs = (clock.nanoTime() - start) / 1e6;
            progress(
                    "%s: %d tokens in %.0f ms, %.1f Mbit/s, cut by %s %s"
                            .formatted(
                                    name,
                                    tokens,
                                    elapsedMs,
                                    delivery.bytesPerSecond() * 8e-6,
                                    delivery.end(),
                                    delivery.endMessage()));
            if (out != null && tokens > 0) {
                decoded.write(out.resolve(name).resolve("novel.safetensors"));
            }
            long raw = namespace.geometry().decodedBytes(cache.tokens().length);
            double rawMs =
                    megabits == 0 ? RawTransfer.measure(raw, clock) : raw * 8 / (megabits * 1e3);
            return new DemoLink(
                    megabits,
                    deadline.toMillis(),
                    elapsedMs,
                    delivery.bytes(),
                    delivery.bytes() * 8.0 / tokens / namespace.geometry().elementsPerToken(),
                    delivery.chunks().stream().map(c -> c.grade().toString()).toList(),
                    match.chunks().size(),
                    rawMs,
                    ErrorCheck.of(cache, decoded, chunks));
        }
    }

    private long millis(long startNanos) {
        return (clock.nanoTime() - startNanos) / 1_000_000;
    }

    private static void progress(String line) {
        System.err.println("kvtier: " + line);
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
