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
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.config.NodeConfig;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
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
    private static final int WARM_UP_ROUNDS = 12;
    private static final long WARM_UP_NANOS = 4_000_000_000L;

    /** Enough for the base of the sample at 20 Mbit/s, and less than all of it needs. */
    private static final Duration LINK_TIME = Duration.ofMillis(500);

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
            converter = NodeAddress.Time.class,
            description =
                    "Of each link, decoding included (default: 500 ms and what decoding takes"
                            + " here).")
    private @Nullable Duration deadline;

    private final NanoClock clock = NanoClock.system();

    @Override
    public Integer call() throws IOException {
        Path home = Path.of(System.getProperty("kvtier.home", ""));
        try (TemporaryFolder folder = TemporaryFolder.create("kvtier-demo")) {
            return demo(home, folder.path());
        }
    }

    private int demo(Path home, Path folder) throws IOException {
        Path sample = home.resolve("examples/sample/novel.safetensors");
        NodeConfig usual = NodeConfig.defaults();
        NodeConfig config =
                new NodeConfig(
                        new NodeConfig.Listen("127.0.0.1", 0),
                        new NodeConfig.Storage(
                                folder.resolve("node"),
                                usual.storage().layout(),
                                256L << 20,
                                1L << 30),
                        usual.limits(),
                        usual.cluster(),
                        usual.security(),
                        usual.admin());
        try (Arena arena = Arena.ofShared();
                CacheNode node = CacheNode.start(config)) {
            progress("node on " + node.endpoint());
            CacheFile cache = CacheFile.read(sample, Optional.empty(), arena);
            progress("sample of " + cache.tokens().length + " tokens read and verified");
            Path file = home.resolve("profiles/smollm2-135m-joint.kvp");
            Profile profile = CodecOptions.read(file, cache.namespace().geometry());
            progress("profile " + file.getFileName() + " read, which every worker has");
            Duration decoding = Duration.ofNanos(put(cache, profile, node, arena));
            Duration time = deadline == null ? LINK_TIME.plus(decoding) : deadline;
            List<DemoLink> links = new ArrayList<>();
            for (int megabits : MEGABITS) {
                links.add(stream(megabits, cache, profile, node, time, decoding));
            }
            System.out.println(json ? DemoLink.json(links) : DemoLink.table(links));
            return verdict(links);
        }
    }

    /** Says on the error stream what a link fell short of; a broken promise is a defect. */
    private static int verdict(List<DemoLink> links) {
        int code = ExitCode.OK;
        for (DemoLink link : links) {
            if (!link.error().within()) {
                progress(link.name() + ": the error is beyond what the frames promised");
                code = ExitCode.INTERNAL;
            } else if (link.rungs().size() < link.matched()) {
                progress(
                        "%s: %d of %d matched chunks arrived in time: the machine is busy, or"
                                        .formatted(link.name(), link.rungs().size(), link.matched())
                                + " --deadline is short");
                code = code == ExitCode.OK ? ExitCode.MISS : code;
            }
        }
        return code;
    }

    /** Encodes and stores the cache; returns the time to decode all of it on this machine. */
    private long put(CacheFile cache, Profile profile, CacheNode node, Arena arena) {
        CacheCodec codec = new CacheCodec(cache.namespace(), profile);
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
        Delivery delivery = client.open(match, end, StreamOptions.defaults(), collected);
        CacheFile scratch = cache.prefix(cache.tokens().length, arena);
        long warm = clock.nanoTime() + WARM_UP_NANOS;
        List<Long> nanos = new ArrayList<>();
        while (nanos.size() < 3 || (nanos.size() < WARM_UP_ROUNDS && clock.nanoTime() - warm < 0)) {
            long from = clock.nanoTime();
            List<DecodedChunk> _ = codec.decode(delivery, collected, scratch);
            nanos.add(clock.nanoTime() - from);
        }
        long last = Collections.max(nanos.subList(nanos.size() - 2, nanos.size()));
        progress("every chunk read back; all rungs decoded in " + last / 1_000_000 + " ms");
        return last + last / 4; // and a busy moment
    }

    /** One reader on one link: another prompt that shares the prefix. */
    private DemoLink stream(
            int megabits,
            CacheFile cache,
            Profile profile,
            CacheNode node,
            Duration time,
            Duration decoding)
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
            Deadline end = client.within(time);
            Match match = client.match(namespace, prompt, end);
            FrameCollector frames = new FrameCollector(arena, FRAMES_BYTES_MAX);
            StreamOptions options =
                    StreamOptions.defaults().withDecodeNanosAfter(decoding.toNanos());
            Delivery delivery = client.open(match, end, options, frames);
            int tokens = 0;
            for (int i = 0; i < delivery.delivered(); i++) {
                tokens += match.chunks().get(i).tokens();
            }
            CacheFile decoded = cache.prefix(tokens, arena);
            List<DecodedChunk> _ =
                    new CacheCodec(namespace, profile).decode(delivery, frames, decoded);
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
                    time.toMillis(),
                    elapsedMs,
                    delivery.bytes(),
                    delivery.bytes() * 8.0 / tokens / namespace.geometry().elementsPerToken(),
                    delivery.chunks().stream().map(c -> c.grade().toString()).toList(),
                    match.chunks().size(),
                    rawMs,
                    ErrorCheck.of(cache, decoded, match, delivery, profile));
        }
    }

    private long millis(long startNanos) {
        return (clock.nanoTime() - startNanos) / 1_000_000;
    }

    private static void progress(String line) {
        System.err.println("kvtier: " + line);
    }
}
