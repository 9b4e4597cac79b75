package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.Delivery.Cut;
import io.kvtier.client.Fetched;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.client.link.ThrottlingProxy;
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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Streams while the world changes under them: encodings, evictions, links, connections. */
class SegmentStreamTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir Path folder;

    private final Namespace namespace = TestFrames.namespace(1);
    private final int[] tokens = TestFrames.tokens(3);
    private final List<byte[]> first = TestFrames.frames(namespace, tokens, 1, 3000);
    private final List<byte[]> second = TestFrames.frames(namespace, tokens, 2, 2500);

    private TestNode meddlingNode() {
        return new TestNode(
                folder,
                options -> options.withSliceBytes(1024),
                MeddlingStore::new,
                Authenticator.anonymous());
    }

    private Delivery stream(KvtierClient client, RecordingSink sink) {
        Match match = client.match(namespace, tokens, client.within(PATIENCE));
        return client.open(match, client.within(PATIENCE), StreamOptions.defaults(), sink);
    }

    @Test
    void open_encodingSwitchedBeforeAnyRead_neverMixesTwo() {
        try (TestNode node = meddlingNode()) {
            MeddlingStore store = (MeddlingStore) node.store;
            KvtierClient client = node.client();
            int reads = 1;
            int restarted = 0;
            for (int n = 0; n < reads; n++) {
                node.replace(first);
                store.before(n, () -> node.replace(second));
                RecordingSink sink = new RecordingSink();
                Delivery delivery = stream(client, sink);
                sink.assertSound(delivery, List.of(first, second));
                assertThat(delivery.delivered()).as("switch before read %d", n).isEqualTo(3);
                restarted += delivery.end() == Cut.NONE && store.opens() > 6 ? 1 : 0;
                reads = Math.max(reads, store.opens());
            }
            assertThat(reads).isGreaterThanOrEqualTo(6);
            assertThat(restarted).isPositive();
        }
    }

    @Test
    void open_switchedInTheMiddleOfEachChunkOnly_restartsThatChunk() {
        try (TestNode node = meddlingNode()) {
            MeddlingStore store = (MeddlingStore) node.store;
            KvtierClient client = node.client();
            // Reads 0..2 are the bases, 3..5 refinements: one chunk changes in between.
            for (int chunk = 0; chunk < 3; chunk++) {
                int changed = chunk;
                node.replace(first);
                store.before(3, () -> node.replace(List.of(second.get(changed))));
                RecordingSink sink = new RecordingSink();
                Delivery delivery = stream(client, sink);
                sink.assertSound(delivery, List.of(first, second));
                assertThat(delivery.delivered()).isEqualTo(3);
                for (int i = 0; i < 3; i++) {
                    byte[] expected = (i == changed ? second : first).get(i);
                    assertThat(delivery.chunks().get(i).encodingId())
                            .isEqualTo(TestFrames.header(expected).encodingId());
                    assertThat(delivery.chunks().get(i).cut()).isEqualTo(Cut.NONE);
                }
            }
        }
    }

    @Test
    void open_encodingThatNeverSettles_endsThePrefixThere() {
        try (TestNode node = meddlingNode()) {
            MeddlingStore store = (MeddlingStore) node.store;
            KvtierClient client = node.client();
            node.replace(first);
            AtomicInteger seed = new AtomicInteger(10);
            Runnable[] again = new Runnable[1];
            again[0] =
                    () -> {
                        long next = seed.incrementAndGet();
                        node.replace(TestFrames.frames(namespace, tokens, next, 2000));
                        store.before(1, again[0]);
                    };
            store.before(0, again[0]);
            Delivery delivery = stream(client, new RecordingSink());
            assertThat(delivery.delivered()).isLessThan(3);
            assertThat(delivery.end()).isEqualTo(Cut.ENCODING_CHANGED);
        }
    }

    @Test
    void open_evictedBeforeAnyRead_deliversAValidPrefixAndSaysWhy() {
        try (TestNode node = meddlingNode()) {
            MeddlingStore store = (MeddlingStore) node.store;
            KvtierClient client = node.client();
            for (int n = 0; n < 6; n++) {
                node.replace(first);
                store.before(
                        n,
                        () ->
                                first.forEach(
                                        frame -> {
                                            var key = TestFrames.header(frame).key();
                                            boolean _ = store.remove(Tenant.NONE.keyOf(key));
                                        }));
                RecordingSink sink = new RecordingSink();
                Delivery delivery = stream(client, sink);
                sink.assertSound(delivery, List.of(first));
                assertThat(delivery.delivered()).isLessThanOrEqualTo(n);
                assertThat(delivery.end()).isEqualTo(Cut.MISS);
            }
        }
    }

    @Test
    void open_partsDroppedMeanwhile_keepsTheGradeThatArrived() {
        try (TestNode node = meddlingNode()) {
            MeddlingStore store = (MeddlingStore) node.store;
            KvtierClient client = node.client();
            List<byte[]> bases = first.stream().map(frame -> TestFrames.cut(frame, 1)).toList();
            node.replace(first);
            store.before(3, () -> node.replace(bases));
            RecordingSink sink = new RecordingSink();
            Delivery delivery = stream(client, sink);
            sink.assertSound(delivery, List.of(first));
            assertThat(delivery.delivered()).isEqualTo(3);
            assertThat(delivery.chunks())
                    .extracting(Delivery.Chunk::cut)
                    .containsOnly(Cut.NOT_HELD);
        }
    }

    @Test
    void open_corruptSegment_isNeverDeliveredAndSaid() {
        try (TestNode node = meddlingNode()) {
            KvtierClient client = node.client();
            FrameHeader header = TestFrames.header(first.get(1));
            for (int segment = 0; segment < header.segments().size(); segment++) {
                byte[] bad = first.get(1).clone();
                bad[(int) header.offset(segment) + 5] ^= 16;
                node.replace(List.of(first.get(0), bad, first.get(2)));
                RecordingSink sink = new RecordingSink();
                Delivery delivery = stream(client, sink);
                sink.assertSound(delivery, List.of(first));
                if (segment < header.firstSegment(1)) {
                    assertThat(delivery.delivered()).isEqualTo(1);
                    assertThat(delivery.end()).isEqualTo(Cut.CORRUPT);
                    assertThat(delivery.endMessage()).contains("crc32c").contains("expected");
                } else {
                    assertThat(delivery.delivered()).isEqualTo(3);
                    assertThat(delivery.chunks().get(1).cut()).isEqualTo(Cut.CORRUPT);
                }
                assertThat(delivery.chunks().get(0).cut()).isEqualTo(Cut.NONE);
            }
        }
    }

    @Test
    void fetch_encodedCache_comesBackWithinItsBound() {
        Geometry geometry = Geometry.uniform(4, 4, 2, 8, Dtype.F32, Rope.rotateHalf(8, 10_000));
        Namespace small =
                new Namespace(
                        Namespace.Kind.ADAPTIVE,
                        TestFrames.CHUNK_TOKENS,
                        Digest.sha256(new byte[] {4}),
                        Digest.ZERO,
                        Namespace.KEY_SCHEME,
                        "",
                        geometry);
        FrameCodec codec = FrameCodec.withoutProfile(small);
        KvBlock block = KvBlock.allocate(geometry, 0, TestFrames.CHUNK_TOKENS);
        SplittableRandom random = new SplittableRandom(2);
        for (long i = 0; i < block.keys().byteSize(); i += Float.BYTES) {
            block.keys().set(ValueLayout.JAVA_FLOAT_UNALIGNED, i, (float) random.nextGaussian());
            block.values().set(ValueLayout.JAVA_FLOAT_UNALIGNED, i, (float) random.nextGaussian());
        }
        int[] prompt = TestFrames.tokens(1);
        Digest key = KeyChain.of(small, prompt).getFirst();
        byte[] frame =
                codec.encoder().encode(key, KeyChain.tokenDigest(prompt, 0, prompt.length), block);
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            PutReply put =
                    client.put(
                                    small,
                                    List.of(MemorySegment.ofArray(frame)),
                                    Persistence.MEMORY,
                                    client.within(PATIENCE))
                            .getFirst();
            assertThat(put.status()).as(put.message()).isEqualTo(PutReply.Status.STORED);
            Match match = client.match(small, prompt, client.within(PATIENCE));
            Fetched fetched =
                    client.fetch(match, codec, client.within(PATIENCE), StreamOptions.defaults());
            KvBlock back = fetched.blocks().getFirst();
            float bound = fetched.decoded().getFirst().valueErrorMax().getFirst();
            assertThat(bound).isPositive().isLessThan(1);
            // The first stored layer's values.
            for (long i = 0; i < back.values().byteSize() / 4; i += Float.BYTES) {
                float actual = back.values().get(ValueLayout.JAVA_FLOAT_UNALIGNED, i);
                float expected = block.values().get(ValueLayout.JAVA_FLOAT_UNALIGNED, i);
                assertThat(Math.abs(actual - expected)).isLessThanOrEqualTo(bound);
            }
        }
    }

    @Test
    void open_slowLink_keepsTheDeadlineAtALowerGrade() {
        Namespace big = TestFrames.namespace(3);
        int[] prompt = TestFrames.tokens(6);
        List<byte[]> frames = TestFrames.frames(big, prompt, 5, 40_000);
        try (TestNode node = new TestNode(folder);
                ThrottlingProxy proxy =
                        ThrottlingProxy.start(node.node.port(), 20, Duration.ofMillis(5))) {
            KvtierClient near = node.client();
            List<PutReply> _ =
                    near.put(
                            big,
                            TestFrames.segments(frames),
                            Persistence.MEMORY,
                            near.within(PATIENCE));
            KvtierClient far = node.client(proxy.port(), ClientOptions.defaults());
            Match match = far.match(big, prompt, far.within(PATIENCE));
            long all = frames.stream().mapToLong(frame -> frame.length).sum();
            // 400 ms of 20 Mbit/s are 1 MB, of about 1.9 MB that are held.
            for (Duration deadline : List.of(Duration.ofMillis(400), Duration.ofMillis(100))) {
                RecordingSink sink = new RecordingSink();
                Delivery delivery =
                        far.open(match, far.within(deadline), StreamOptions.defaults(), sink);
                sink.assertSound(delivery, List.of(frames));
                assertThat(Duration.ofNanos(delivery.elapsedNanos()))
                        .isLessThan(deadline.plusMillis(250));
                assertThat(delivery.bytes()).isLessThan(all * 3 / 4);
                // 100 ms may be over before the first base is there, on a busy machine.
                if (deadline.toMillis() > 100 || delivery.delivered() > 0) {
                    assertThat(delivery.chunks())
                            .extracting(Delivery.Chunk::cut)
                            .containsAnyOf(Cut.LINK, Cut.DEADLINE);
                }
            }
        }
    }

    @Test
    void open_connectionCutMidStream_goesOnWithoutAskingAgainForWhatCame() {
        List<byte[]> frames = TestFrames.frames(namespace, tokens, 6, 30_000);
        try (TestNode node = new TestNode(folder);
                ThrottlingProxy proxy =
                        ThrottlingProxy.start(node.node.port(), 40, Duration.ZERO)) {
            KvtierClient near = node.client();
            List<PutReply> _ =
                    near.put(
                            namespace,
                            TestFrames.segments(frames),
                            Persistence.MEMORY,
                            near.within(PATIENCE));
            KvtierClient far = node.client(proxy.port(), ClientOptions.defaults());
            Match match = far.match(namespace, tokens, far.within(PATIENCE));
            RecordingSink sink =
                    new RecordingSink() {
                        @Override
                        public void segment(int chunk, int segment, MemorySegment bytes) {
                            super.segment(chunk, segment, bytes);
                            if (segmentCount == 9) {
                                proxy.cutConnections();
                            }
                        }
                    };
            Delivery delivery =
                    far.open(match, far.within(PATIENCE), StreamOptions.defaults(), sink);
            sink.assertSound(delivery, List.of(frames));
            assertThat(delivery.end()).isEqualTo(Cut.NONE);
            assertThat(delivery.chunks()).extracting(Delivery.Chunk::cut).containsOnly(Cut.NONE);
            assertThat(sink.segmentCount).isEqualTo(3 * 8);
        }
    }

    @Test
    void open_linkGone_returnsThePrefixByTheDeadline() {
        List<byte[]> frames = TestFrames.frames(namespace, tokens, 6, 30_000);
        try (TestNode node = new TestNode(folder)) {
            // So slow that the rest of the bases is not there before the link goes, however late
            // the
            // sink's thread is.
            ThrottlingProxy proxy = ThrottlingProxy.start(node.node.port(), 4, Duration.ZERO);
            KvtierClient near = node.client();
            List<PutReply> _ =
                    near.put(
                            namespace,
                            TestFrames.segments(frames),
                            Persistence.MEMORY,
                            near.within(PATIENCE));
            KvtierClient far = node.client(proxy.port(), ClientOptions.defaults());
            Match match = far.match(namespace, tokens, far.within(PATIENCE));
            RecordingSink sink =
                    new RecordingSink() {
                        @Override
                        public void segment(int chunk, int segment, MemorySegment bytes) {
                            super.segment(chunk, segment, bytes);
                            if (segmentCount == 3) {
                                proxy.close();
                            }
                        }
                    };
            Duration deadline = Duration.ofSeconds(2);
            Delivery delivery =
                    far.open(match, far.within(deadline), StreamOptions.defaults(), sink);
            sink.assertSound(delivery, List.of(frames));
            assertThat(delivery.delivered()).isLessThan(3);
            assertThat(delivery.end()).isIn(Cut.CONNECTION, Cut.DEADLINE);
            assertThat(Duration.ofNanos(delivery.elapsedNanos()))
                    .isLessThan(deadline.plusMillis(250));
            node.awaitQuiet();
        }
    }
}
