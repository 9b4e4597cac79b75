package io.kvtier.node;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Deadline;
import io.kvtier.client.Delivery;
import io.kvtier.client.FrameCollector;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.SegmentSink;
import io.kvtier.client.StreamOptions;
import io.kvtier.client.link.ThrottlingProxy;
import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.config.NodeConfig;
import io.kvtier.node.frames.LevelRequest;
import io.kvtier.node.tensors.CacheFile;
import io.kvtier.node.transfer.ShapedChunks;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;

/**
 * A node that holds a cache by the parts of one level, and a reader of it over a shaped link that
 * decodes each chunk as soon as it is whole.
 *
 * <p>Ownership: the cache is lent.
 */
final class LevelStream implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final long BYTES_MAX = 256L << 20;

    private final CacheNode node;
    private final ThrottlingProxy proxy;
    private final KvtierClient client;
    private final CacheFile cache;
    private final CacheCodec codec;
    private final List<MemorySegment> frames;

    private LevelStream(
            CacheNode node,
            CacheFile cache,
            CacheCodec codec,
            List<MemorySegment> frames,
            double mbit) {
        this.node = node;
        this.cache = cache;
        this.codec = codec;
        this.frames = frames;
        this.proxy = ThrottlingProxy.start(node.port(), mbit, Duration.ZERO);
        this.client = KvtierClient.connect(proxy.endpoint(), ClientOptions.defaults());
    }

    static LevelStream start(Path folder, Path home, CacheFile cache, String level, double mbit)
            throws IOException {
        Path file = home.resolve("profiles/smollm2-135m-joint.kvp");
        Profile profile = CodecOptions.read(file, cache.namespace().geometry());
        LevelRequest request = LevelRequest.of(profile.levels(), level);
        CacheCodec codec = new CacheCodec(cache.namespace(), profile);
        List<MemorySegment> frames = new ArrayList<>();
        List<MemorySegment> whole = codec.encode(cache);
        for (int i = 0; i < whole.size(); i++) {
            frames.add(cut(whole.get(i), request, i, whole.size()));
        }
        NodeConfig usual = NodeConfig.defaults();
        NodeConfig.Storage storage =
                new NodeConfig.Storage(
                        folder.resolve("node"), usual.storage().layout(), BYTES_MAX, 1L << 30);
        CacheNode node =
                CacheNode.start(
                        new NodeConfig(
                                new NodeConfig.Listen("127.0.0.1", 0),
                                storage,
                                usual.limits(),
                                usual.cluster(),
                                usual.security(),
                                usual.admin()));
        LevelStream out = new LevelStream(node, cache, codec, frames, mbit);
        boolean stored = false;
        try {
            out.put();
            stored = true;
            return out;
        } finally {
            if (!stored) {
                out.close();
            }
        }
    }

    /** Of the level, headers included. */
    long bytes() {
        return frames.stream().mapToLong(MemorySegment::byteSize).sum();
    }

    /** Finds the cache, brings it and decodes it. */
    void run(ExecutorService decoders) {
        try (Arena arena = Arena.ofShared()) {
            CacheFile scratch = cache.prefix(cache.tokens().length, arena);
            Deadline end = client.within(PATIENCE);
            Match match = client.match(cache.namespace(), cache.tokens(), end);
            Decoding sink = new Decoding(new FrameCollector(arena, BYTES_MAX), scratch, decoders);
            Delivery delivery = client.open(match, end, StreamOptions.defaults(), sink);
            ShapedChunks.await(sink.decoding);
            if (sink.decoding.size() < cache.chunks()) {
                throw new CommandException(
                        ExitCode.UNAVAILABLE,
                        "a stream ended early: " + delivery.end() + " " + delivery.endMessage());
            }
        }
    }

    @Override
    public void close() {
        client.close();
        proxy.close();
        node.close();
    }

    private void put() {
        Deadline end = client.within(PATIENCE);
        for (PutReply reply : client.put(cache.namespace(), frames, Persistence.MEMORY, end)) {
            if (reply.status() != PutReply.Status.STORED) {
                throw new CommandException(ExitCode.INTERNAL, "put: " + reply.message());
            }
        }
    }

    /** The frame up to the last part that the level uses. */
    private static MemorySegment cut(
            MemorySegment frame, LevelRequest level, int index, int count) {
        FrameHeader header = header(frame);
        int parts = 0;
        for (int part = 0; part < header.parts().size(); part++) {
            boolean used = level.chunk(index, count).grade().uses(header.parts().get(part));
            parts = used ? part + 1 : parts;
        }
        return frame.asSlice(0, header.cuts().get(parts - 1));
    }

    private static FrameHeader header(MemorySegment frame) {
        return FrameBytes.readHeader(frame, DecodeLimits.defaults());
    }

    /** Decodes a chunk when all that the node holds of it is there. */
    private final class Decoding implements SegmentSink {
        private final FrameCollector frames;
        private final CacheFile target;
        private final ExecutorService decoders;
        private final Map<Integer, Integer> missing = new HashMap<>();
        private final List<Future<?>> decoding = new ArrayList<>();

        Decoding(FrameCollector frames, CacheFile target, ExecutorService decoders) {
            this.frames = frames;
            this.target = target;
            this.decoders = decoders;
        }

        @Override
        public void begin(int chunk, FrameHeader header) {
            frames.begin(chunk, header);
            missing.put(chunk, held(chunk, header));
        }

        @Override
        public void segment(int chunk, int segment, MemorySegment bytes) {
            frames.segment(chunk, segment, bytes);
            if (missing.merge(chunk, -1, Integer::sum) == 0) {
                FrameCollector.Collected whole = frames.chunk(chunk).orElseThrow();
                FrameHeader header = whole.header();
                int segments = held(chunk, header);
                decoding.add(
                        decoders.submit(
                                () ->
                                        codec.decode(
                                                header,
                                                whole.frame(),
                                                target,
                                                each -> each < segments)));
            }
        }

        /** Segments that the node holds of a chunk. */
        private int held(int chunk, FrameHeader header) {
            long bytes = LevelStream.this.frames.get(chunk).byteSize();
            return header.firstSegment(header.partsHeld(bytes));
        }
    }
}
