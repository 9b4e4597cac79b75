package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.Delivery.Cut;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.codec.error.AccessDeniedException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The service and its client over real sockets: what is put is found, and streamed back. */
class FlightNodeTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir Path folder;

    private final Namespace namespace = TestFrames.namespace(1);
    private final int[] tokens = TestFrames.tokens(5);
    private final List<byte[]> frames = TestFrames.frames(namespace, tokens, 1, 20_000);

    private List<PutReply> put(KvtierClient client, List<byte[]> what) {
        return client.put(
                namespace, TestFrames.segments(what), Persistence.MEMORY, client.within(PATIENCE));
    }

    @Test
    void putMatchOpen_roundTrip_deliversEveryByte() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            List<PutReply> replies = put(client, frames);
            assertThat(replies)
                    .extracting(PutReply::status)
                    .containsOnly(PutReply.Status.STORED)
                    .hasSize(5);
            assertThat(replies.getFirst().key()).isEqualTo(KeyChain.of(namespace, tokens).get(0));

            Match match = client.match(namespace, tokens, client.within(PATIENCE));
            assertThat(match.chunks()).hasSize(5);
            assertThat(match.tokens()).isEqualTo(tokens.length);

            RecordingSink sink = new RecordingSink();
            Delivery delivery =
                    client.open(match, client.within(PATIENCE), StreamOptions.defaults(), sink);
            assertThat(delivery.delivered()).isEqualTo(5);
            assertThat(delivery.end()).isEqualTo(Cut.NONE);
            assertThat(delivery.chunks())
                    .allSatisfy(chunk -> assertThat(chunk.grade()).isEqualTo(new Grade(1, 2)))
                    .allSatisfy(chunk -> assertThat(chunk.cut()).isEqualTo(Cut.NONE));
            sink.assertSound(delivery, List.of(frames));
            assertThat(sink.segmentCount).isEqualTo(5 * 8);
            assertThat(delivery.bytes())
                    .isEqualTo(frames.stream().mapToLong(frame -> frame.length).sum());
        }
    }

    @Test
    void put_again_isAlreadyPresentAndOtherEncodingIsKeptOut() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            List<PutReply> _ = put(client, List.of(TestFrames.cut(frames.get(0), 2)));
            assertThat(put(client, List.of(frames.get(0))).getFirst().status())
                    .isEqualTo(PutReply.Status.REPLACED);
            assertThat(put(client, List.of(frames.get(0))).getFirst().status())
                    .isEqualTo(PutReply.Status.ALREADY_PRESENT);
            byte[] other = TestFrames.frames(namespace, tokens, 2, 20_000).get(0);
            PutReply kept = put(client, List.of(other)).getFirst();
            assertThat(kept.status()).isEqualTo(PutReply.Status.KEPT_OTHER);
            assertThat(kept.encodingId()).isEqualTo(TestFrames.header(frames.get(0)).encodingId());
        }
    }

    @Test
    void put_badFrames_areRejectedOneByOneAndTheNodeGoesOn() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            byte[] flipped = frames.get(0).clone();
            flipped[flipped.length - 100] ^= 4;
            byte[] truncated = java.util.Arrays.copyOf(frames.get(1), frames.get(1).length - 7);
            byte[] newer = frames.get(2).clone();
            newer[4] = 2;
            byte[] foreign = TestFrames.frames(TestFrames.namespace(9), tokens, 1, 20_000).get(3);
            List<PutReply> replies =
                    put(client, List.of(flipped, truncated, newer, foreign, frames.get(4)));

            assertThat(replies.subList(0, 4))
                    .extracting(PutReply::status)
                    .containsOnly(PutReply.Status.REJECTED);
            assertThat(replies.get(0).message()).contains("crc32c").contains("expected");
            assertThat(replies.get(1).message())
                    .contains("" + truncated.length)
                    .contains("one of its cuts");
            assertThat(replies.get(2).message()).contains("newer");
            assertThat(replies.get(3).message()).contains("namespace");
            assertThat(replies.get(4).status()).isEqualTo(PutReply.Status.STORED);
            assertThat(client.match(namespace, tokens, client.within(PATIENCE)).isMiss()).isTrue();
        }
    }

    @Test
    void put_everySingleFlippedBit_isRejected() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            List<byte[]> small = TestFrames.frames(namespace, TestFrames.tokens(1), 3, 40);
            SplittableRandom random = new SplittableRandom(11);
            for (int round = 0; round < 200; round++) {
                byte[] bad = small.get(0).clone();
                int bit = random.nextInt(bad.length * 8);
                bad[bit >> 3] ^= (byte) (1 << (bit & 7));
                assertThat(put(client, List.of(bad)).getFirst().status())
                        .as("bit %d", bit)
                        .isEqualTo(PutReply.Status.REJECTED);
            }
            assertThat(node.store.stats().entries()).isZero();
        }
    }

    @Test
    void put_longerThanAMessage_isRefusedByBothSides() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            MemorySegment huge = MemorySegment.ofArray(new byte[17 << 20]);
            assertThatThrownBy(
                            () ->
                                    client.put(
                                            namespace,
                                            List.of(huge),
                                            Persistence.MEMORY,
                                            client.within(PATIENCE)))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("" + huge.byteSize());
            // A client with other ideas meets the node's own limit.
            KvtierClient rash =
                    node.client(
                            node.node.port(),
                            ClientOptions.defaults().withMessageBytesMax(64 << 20));
            assertThatThrownBy(
                            () ->
                                    rash.put(
                                            namespace,
                                            List.of(huge),
                                            Persistence.MEMORY,
                                            rash.within(PATIENCE)))
                    .isInstanceOf(io.kvtier.codec.error.KvtierException.class);
            assertThat(put(client, frames)).hasSize(5);
        }
    }

    @Test
    void match_holeInTheChain_endsThePrefix() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            List<PutReply> _ = put(client, List.of(frames.get(0), frames.get(1), frames.get(3)));
            assertThat(client.match(namespace, tokens, client.within(PATIENCE)).chunks())
                    .hasSize(2);
            // The same keys under another namespace are nobody's.
            List<Digest> keys = KeyChain.of(namespace, tokens);
            Namespace other = TestFrames.namespace(2);
            assertThat(client.match(other, keys, client.within(PATIENCE)).isMiss()).isTrue();
        }
    }

    @Test
    void open_wrongNamespace_isAMiss() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            List<PutReply> _ = put(client, frames);
            Match match = client.match(namespace, tokens, client.within(PATIENCE));
            Match forged =
                    new Match(
                            TestFrames.namespace(2),
                            match.keys(),
                            match.tokenDigests(),
                            match.tokenIds(),
                            match.chunks(),
                            0);
            Delivery delivery =
                    client.open(
                            forged,
                            client.within(PATIENCE),
                            StreamOptions.defaults(),
                            new RecordingSink());
            assertThat(delivery.delivered()).isZero();
            assertThat(delivery.end()).isEqualTo(Cut.MISS);
        }
    }

    @Test
    void get_planningByTheNode_deliversEveryByte() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            List<PutReply> _ = put(client, frames);
            Match match = client.match(namespace, tokens, client.within(PATIENCE));
            RecordingSink sink = new RecordingSink();
            Delivery delivery =
                    client.get(match, client.within(PATIENCE), StreamOptions.defaults(), sink);
            assertThat(delivery.delivered()).isEqualTo(5);
            sink.assertSound(delivery, List.of(frames));
        }
    }

    @Test
    void authenticator_refusal_isAccessDeniedAndTenantsAreApart() {
        Authenticator byToken =
                authorization -> {
                    if (!authorization.startsWith("Bearer ")) {
                        throw new AccessDeniedException("a bearer token is needed");
                    }
                    String digit = authorization.substring(7, 8);
                    return new Caller(new Tenant(digit, digit.repeat(32)), Role.WRITER);
                };
        try (TestNode node =
                new TestNode(folder, UnaryOperator.identity(), UnaryOperator.identity(), byToken)) {
            KvtierClient nobody = node.client();
            assertThatThrownBy(() -> nobody.match(namespace, tokens, nobody.within(PATIENCE)))
                    .isInstanceOf(AccessDeniedException.class);
            ClientOptions defaults = ClientOptions.defaults();
            KvtierClient a = node.client(node.node.port(), defaults.withAuthorization("Bearer a"));
            KvtierClient b = node.client(node.node.port(), defaults.withAuthorization("Bearer b"));
            List<PutReply> _ = put(a, frames);
            Match match = a.match(namespace, tokens, a.within(PATIENCE));
            assertThat(match.chunks()).hasSize(5);
            assertThat(b.match(namespace, tokens, b.within(PATIENCE)).isMiss()).isTrue();
            RecordingSink sink = new RecordingSink();
            assertThat(
                            b.open(match, b.within(PATIENCE), StreamOptions.defaults(), sink)
                                    .delivered())
                    .isZero();
            assertThat(
                            a.open(match, a.within(PATIENCE), StreamOptions.defaults(), sink)
                                    .delivered())
                    .isEqualTo(5);
        }
    }

    @Test
    void statsAndProfiles_roundTrip() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            assertThat(client.stats(client.within(PATIENCE))).isEqualTo("{\"entries\":0}");
            byte[] profile = new byte[9 << 20];
            new SplittableRandom(5).nextBytes(profile);
            Digest id = client.putProfile(profile, client.within(PATIENCE));
            assertThat(client.profile(id, client.within(PATIENCE))).contains(profile);
            assertThat(client.profile(Digest.ZERO, client.within(PATIENCE))).isEmpty();
        }
    }

    @Test
    void occupiedPort_isUnavailable() {
        try (TestNode node = new TestNode(folder)) {
            int port = node.node.port();
            assertThatThrownBy(
                            () ->
                                    new TestNode(
                                            folder,
                                            options -> options.withAddress("127.0.0.1", port),
                                            UnaryOperator.identity(),
                                            Authenticator.anonymous()))
                    .isInstanceOf(UnavailableException.class)
                    .hasMessageContaining("" + port);
        }
    }

    @Test
    void deadNode_failsWithinTheDeadline() {
        int port;
        try (TestNode node = new TestNode(folder)) {
            port = node.node.port();
        }
        try (KvtierClient client =
                KvtierClient.connect("127.0.0.1:" + port, ClientOptions.defaults())) {
            long start = System.nanoTime();
            assertThatThrownBy(
                            () ->
                                    client.match(
                                            namespace,
                                            tokens,
                                            client.within(Duration.ofSeconds(1))))
                    .isInstanceOf(UnavailableException.class);
            assertThat(Duration.ofNanos(System.nanoTime() - start))
                    .isLessThan(Duration.ofMillis(2500));
        }
    }
}
