package io.kvtier.node;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Deadline;
import io.kvtier.client.Delivery;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.SegmentSink;
import io.kvtier.client.StreamOptions;
import io.kvtier.codec.FrameCodec;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.config.NodeConfig;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * A node on loopback with its client, and three prompts in it: one of 4 MiB segments, one of 64 KiB
 * in all, and the sample by the shipped profile. What comes is verified and dropped.
 */
final class StreamBenchNode implements AutoCloseable {
    /** At least so many bytes of the small prompt. */
    static final long SMALL_BYTES = 64 << 10;

    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int LARGE_CHUNKS = 8;

    /** Takes what was verified, and drops it. */
    static final SegmentSink DROP =
            new SegmentSink() {
                @Override
                public void begin(int chunk, FrameHeader header) {}

                @Override
                public void segment(int chunk, int segment, MemorySegment bytes) {}
            };

    private final CacheNode node;
    private final KvtierClient client;
    private final Match large;
    private final Match small;
    private final Match sample;
    private final long sampleBytes;

    /** The fp16 that the sample stands for. */
    private final long sampleFp16Bytes;

    private StreamBenchNode(CacheNode node, KvtierClient client) throws IOException {
        this.node = node;
        this.client = client;
        // A layer's K and V of 1,024 tokens, 8 heads of 128, are 4 MiB of random bits.
        large = put(namespace(2, 8, 128, 1024), LARGE_CHUNKS);
        small = put(namespace(1, 1, 64, 256), 1);
        Path home = Path.of(System.getProperty("kvtier.home", ""));
        try (Arena arena = Arena.ofShared()) {
            Path file = home.resolve("examples/sample/novel.safetensors");
            CacheFile cache = CacheFile.read(file, Optional.empty(), arena);
            Path profile = home.resolve("profiles/smollm2-135m-joint.kvp");
            Namespace namespace = cache.namespace();
            CacheCodec codec =
                    new CacheCodec(namespace, CodecOptions.read(profile, namespace.geometry()));
            List<MemorySegment> frames = codec.encode(cache);
            sample = put(namespace, cache.tokens(), frames);
            sampleBytes = frames.stream().mapToLong(MemorySegment::byteSize).sum();
            sampleFp16Bytes = namespace.geometry().decodedBytes(cache.tokens().length);
        }
    }

    static StreamBenchNode start(Path folder) throws IOException {
        NodeConfig usual = NodeConfig.defaults();
        CacheNode node =
                CacheNode.start(
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
                                usual.admin()));
        KvtierClient client = KvtierClient.connect(node.endpoint(), ClientOptions.defaults());
        boolean started = false;
        try {
            StreamBenchNode out = new StreamBenchNode(node, client);
            started = true;
            return out;
        } finally {
            if (!started) {
                client.close();
                node.close();
            }
        }
    }

    /** Streams 4 MiB segments until so many bytes have come. */
    long streamLarge(long bytes) {
        return repeat(large, bytes);
    }

    /** Streams every rung of the sample until so many bytes have come. */
    long streamSample(long bytes) {
        return repeat(sample, bytes);
    }

    /** The fp16 that {@link #streamSample} of so many bytes stands for. */
    long sampleDecodedBytes(long bytes) {
        return (bytes + sampleBytes - 1) / sampleBytes * sampleFp16Bytes;
    }

    /** Where it listens, on loopback. */
    int port() {
        return node.port();
    }

    /** The sample as another client finds it. */
    Match matchSample(KvtierClient other) {
        return other.match(sample.namespace(), sample.tokenIds(), other.within(PATIENCE));
    }

    /** One small request over the persistent exchange. */
    long streamSmall() {
        return whole(client.open(small, end(), StreamOptions.defaults(), DROP));
    }

    /** One small request by a call of its own. */
    long getSmall() {
        return whole(client.get(small, end(), StreamOptions.defaults(), DROP));
    }

    @Override
    public void close() {
        client.close();
        node.close();
    }

    private long repeat(Match match, long bytes) {
        long got = 0;
        while (got < bytes) {
            got += whole(client.open(match, end(), StreamOptions.defaults(), DROP));
        }
        return got;
    }

    private static long whole(Delivery delivery) {
        if (delivery.delivered() < delivery.hit()) {
            throw new CommandException(
                    ExitCode.UNAVAILABLE,
                    "a stream ended early: " + delivery.end() + " " + delivery.endMessage());
        }
        return delivery.bytes();
    }

    private Deadline end() {
        return client.within(PATIENCE);
    }

    private static Namespace namespace(int layers, int kvHeads, int headDim, int chunkTokens) {
        Geometry geometry =
                Geometry.uniform(
                        layers,
                        kvHeads,
                        kvHeads,
                        headDim,
                        Dtype.F16,
                        Rope.rotateHalf(headDim, 10_000));
        return new Namespace(
                Namespace.Kind.EXACT,
                chunkTokens,
                Digest.sha256(new byte[] {(byte) layers}),
                Digest.ZERO,
                Namespace.KEY_SCHEME,
                "",
                geometry);
    }

    private Match put(Namespace namespace, int chunks) {
        int size = namespace.chunkTokens();
        int[] tokens = IntStream.range(0, chunks * size).toArray();
        List<Digest> keys = KeyChain.of(namespace, tokens);
        FrameCodec.Encoder encoder = FrameCodec.withoutProfile(namespace).encoder();
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < chunks; i++) {
            KvBlock block = KvBlock.allocate(namespace.geometry(), i * size, size);
            fill(block.keys(), random);
            fill(block.values(), random);
            Digest digest = KeyChain.tokenDigest(tokens, i * size, size);
            byte[] frame = encoder.encode(keys.get(i), digest, block);
            stored(namespace, List.of(MemorySegment.ofArray(frame)));
        }
        return client.match(namespace, tokens, end());
    }

    private Match put(Namespace namespace, int[] tokens, List<MemorySegment> frames) {
        stored(namespace, frames);
        return client.match(namespace, tokens, end());
    }

    private void stored(Namespace namespace, List<MemorySegment> frames) {
        for (PutReply reply : client.put(namespace, frames, Persistence.MEMORY, end())) {
            if (reply.status() != PutReply.Status.STORED) {
                throw new CommandException(ExitCode.INTERNAL, "put: " + reply.message());
            }
        }
    }

    private static void fill(MemorySegment target, SplittableRandom random) {
        for (long i = 0; i + Long.BYTES <= target.byteSize(); i += Long.BYTES) {
            target.set(ValueLayout.JAVA_LONG_UNALIGNED, i, random.nextLong());
        }
    }
}
