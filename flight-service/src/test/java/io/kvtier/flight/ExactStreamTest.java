package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.Fetched;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.client.link.ThrottlingProxy;
import io.kvtier.codec.ExactDecoder;
import io.kvtier.codec.ExactEncoder;
import io.kvtier.codec.FrameCodec;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.OpaqueBlock;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Exact chunks through a node: whole and bit for bit, or not at all. */
class ExactStreamTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final int CHUNK_TOKENS = 64;

    @TempDir Path folder;

    private final Geometry geometry =
            Geometry.uniform(4, 4, 4, 64, Dtype.BF16, Rope.rotateHalf(64, 10_000));
    private final Namespace namespace = namespace(geometry, "");
    private final int[] tokens =
            new Random(7).ints(5 * CHUNK_TOKENS + 10, 0, 50_000).toArray(); // a short last chunk
    private final List<KvBlock> blocks = blocks();
    private final List<byte[]> frames = frames();

    @Test
    void fetch_exactCache_comesBackBitForBit() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            put(client, namespace, frames);
            Match match = client.match(namespace, tokens, client.within(PATIENCE));
            assertThat(match.tokens()).isEqualTo(tokens.length);
            Fetched fetched =
                    client.fetch(
                            match,
                            new FrameCodec.Exact(namespace),
                            client.within(PATIENCE),
                            StreamOptions.defaults());
            assertThat(fetched.blocks()).hasSameSizeAs(blocks);
            for (int i = 0; i < blocks.size(); i++) {
                KvBlock block = fetched.blocks().get(i);
                assertThat(block.keys().mismatch(blocks.get(i).keys())).isEqualTo(-1);
                assertThat(block.values().mismatch(blocks.get(i).values())).isEqualTo(-1);
                assertThat(fetched.decoded().get(i).keyErrorMax()).containsOnly(0f);
            }
        }
    }

    @Test
    void open_linkTooSlowForAll_deliversWholeChunksOnly() {
        try (TestNode node = new TestNode(folder);
                ThrottlingProxy proxy =
                        ThrottlingProxy.start(node.node.port(), 20, Duration.ofMillis(2))) {
            KvtierClient near = node.client();
            put(near, namespace, frames);
            KvtierClient far = node.client(proxy.port(), ClientOptions.defaults());
            Match match = far.match(namespace, tokens, far.within(PATIENCE));
            RecordingSink sink = new RecordingSink();
            // 300 ms of 20 Mbit/s are 750 kB, of 1.3 MB that are held.
            Delivery delivery =
                    far.open(
                            match,
                            far.within(Duration.ofMillis(300)),
                            StreamOptions.defaults(),
                            sink);
            sink.assertSound(delivery, List.of(frames));
            assertThat(delivery.delivered()).isLessThan(frames.size());
            for (int i = 0; i < delivery.delivered(); i++) {
                assertThat(delivery.chunks().get(i).grade()).isEqualTo(Grade.BASE);
                assertThat(Objects.requireNonNull(sink.segments.get(i)))
                        .hasSize(TestFrames.header(frames.get(i)).segments().size());
            }
        }
    }

    @Test
    void put_exactFrameCutAnywhere_isRejected() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            byte[] whole = frames.getFirst();
            FrameHeader header = TestFrames.header(whole);
            assertThat(header.segments()).hasSize(4);
            List<MemorySegment> cuts = new ArrayList<>();
            for (int segments = 0; segments < 4; segments++) {
                byte[] cut = Arrays.copyOf(whole, (int) header.offset(segments));
                cuts.add(MemorySegment.ofArray(cut));
            }
            List<PutReply> replies =
                    client.put(namespace, cuts, Persistence.MEMORY, client.within(PATIENCE));
            assertThat(replies).hasSize(4);
            for (PutReply reply : replies) {
                assertThat(reply.status()).isEqualTo(PutReply.Status.REJECTED);
                assertThat(reply.message()).contains("expected one of its cuts");
            }
        }
    }

    @Test
    void open_opaqueLayers_comeBackBitForBit() {
        Geometry pages =
                new Geometry(
                        1,
                        1,
                        1,
                        0,
                        Dtype.F16,
                        Geometry.Kind.OPAQUE,
                        30_001,
                        List.of(Rope.none()),
                        List.of(0, 0),
                        List.of(0, 1),
                        List.of(-1, -1));
        Namespace engine = namespace(pages, "engine/pages-16");
        OpaqueBlock block = OpaqueBlock.allocate(pages, 0, CHUNK_TOKENS);
        fill(block.layers(), new Random(3));
        int[] prompt = Arrays.copyOf(tokens, CHUNK_TOKENS);
        Digest key = KeyChain.of(engine, prompt).getFirst();
        Digest digest = KeyChain.tokenDigest(prompt, 0, prompt.length);
        byte[] frame = new ExactEncoder(engine).encode(key, digest, block);
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            put(client, engine, List.of(frame));
            Match match = client.match(engine, prompt, client.within(PATIENCE));
            RecordingSink sink = new RecordingSink();
            Delivery delivery =
                    client.open(match, client.within(PATIENCE), StreamOptions.defaults(), sink);
            assertThat(delivery.delivered()).isEqualTo(1);
            ExactDecoder decoder = new ExactDecoder(engine);
            decoder.begin(Objects.requireNonNull(sink.headers.get(0)));
            Objects.requireNonNull(sink.segments.get(0))
                    .forEach((s, bytes) -> decoder.accept(s, MemorySegment.ofArray(bytes)));
            OpaqueBlock back = OpaqueBlock.allocate(pages, 0, CHUNK_TOKENS);
            assertThat(decoder.finish(back)).isEqualTo(2);
            assertThat(back.layers().mismatch(block.layers())).isEqualTo(-1);
        }
    }

    private void put(KvtierClient client, Namespace of, List<byte[]> chunks) {
        List<PutReply> replies =
                client.put(
                        of,
                        TestFrames.segments(chunks),
                        Persistence.MEMORY,
                        client.within(PATIENCE));
        for (PutReply reply : replies) {
            assertThat(reply.status()).as(reply.message()).isEqualTo(PutReply.Status.STORED);
        }
    }

    private List<KvBlock> blocks() {
        List<KvBlock> out = new ArrayList<>();
        for (int first = 0; first < tokens.length; first += CHUNK_TOKENS) {
            int count = Math.min(CHUNK_TOKENS, tokens.length - first);
            KvBlock block = KvBlock.allocate(geometry, first, count);
            fill(block.keys(), new Random(first));
            fill(block.values(), new Random(first + 1));
            out.add(block);
        }
        return out;
    }

    private List<byte[]> frames() {
        FrameCodec.Encoder encoder = new FrameCodec.Exact(namespace).encoder();
        List<Digest> keys = KeyChain.withRest(namespace, tokens);
        List<byte[]> out = new ArrayList<>();
        for (int i = 0; i < keys.size(); i++) {
            KvBlock block = blocks.get(i);
            Digest digest = KeyChain.tokenDigest(tokens, block.firstPosition(), block.tokens());
            out.add(encoder.encode(keys.get(i), digest, block));
        }
        return out;
    }

    /** Any bits at all: NaN and infinity of every kind are among them. */
    private static void fill(MemorySegment target, Random random) {
        for (long at = 0; at < target.byteSize(); at++) {
            target.set(ValueLayout.JAVA_BYTE, at, (byte) random.nextInt());
        }
    }

    private static Namespace namespace(Geometry geometry, String layout) {
        return new Namespace(
                Namespace.Kind.EXACT,
                CHUNK_TOKENS,
                Digest.sha256(new byte[] {9}),
                Digest.ZERO,
                Namespace.KEY_SCHEME,
                layout,
                geometry);
    }
}
