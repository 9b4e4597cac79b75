package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.Delivery;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.codec.ExactDecoder;
import io.kvtier.codec.ExactEncoder;
import io.kvtier.codec.OpaqueBlock;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.plan.Recompute;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** States of models without a cache of tokens: hit by exactly the prefix that they stand for. */
class StateStreamTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final int CHUNK_TOKENS = 64;

    @TempDir Path folder;

    private final Geometry geometry =
            new Geometry(
                    1,
                    1,
                    1,
                    0,
                    Dtype.F16,
                    Geometry.Kind.STATE,
                    20_000,
                    List.of(Rope.none()),
                    List.of(0, 0, 0),
                    List.of(0, 1, 2),
                    List.of(-1, -1, -1));
    private final Namespace namespace =
            new Namespace(
                    Namespace.Kind.EXACT,
                    CHUNK_TOKENS,
                    Digest.sha256(new byte[] {9}),
                    Digest.ZERO,
                    Namespace.KEY_SCHEME,
                    "engine/state",
                    geometry);
    private final int[] tokens = new Random(7).ints(4 * CHUNK_TOKENS, 0, 50_000).toArray();

    private static OpaqueBlock state(Geometry geometry, int first, int count) {
        OpaqueBlock state = OpaqueBlock.allocate(geometry, first, count);
        Random random = new Random(first + count);
        for (long at = 0; at < state.layers().byteSize(); at++) {
            state.layers().set(ValueLayout.JAVA_BYTE, at, (byte) random.nextInt());
        }
        return state;
    }

    /** Puts the state after the first so many tokens. */
    private OpaqueBlock put(KvtierClient client, int count) {
        int[] prefix = Arrays.copyOf(tokens, count);
        Digest key = KeyChain.withRest(namespace, prefix).getLast();
        int first = (count - 1) / CHUNK_TOKENS * CHUNK_TOKENS;
        OpaqueBlock state = state(geometry, first, count - first);
        Digest digest = KeyChain.tokenDigest(prefix, first, count - first);
        byte[] frame = new ExactEncoder(namespace).encode(key, digest, state);
        List<PutReply> replies =
                client.put(
                        namespace,
                        List.of(MemorySegment.ofArray(frame)),
                        Persistence.MEMORY,
                        client.within(PATIENCE));
        assertThat(replies).extracting(PutReply::status).containsOnly(PutReply.Status.STORED);
        return state;
    }

    private Match match(KvtierClient client, int count) {
        return client.match(namespace, Arrays.copyOf(tokens, count), client.within(PATIENCE));
    }

    @Test
    void match_exactlyItsPrefix_deliversTheStateBitForBit() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            OpaqueBlock state = put(client, 3 * CHUNK_TOKENS + 10);
            Match match = match(client, 3 * CHUNK_TOKENS + 10);
            assertThat(match.tokens()).isEqualTo(3 * CHUNK_TOKENS + 10);
            RecordingSink sink = new RecordingSink();
            StreamOptions fast = StreamOptions.defaults().withRecompute(Recompute.at(1e9));
            Delivery delivery = client.open(match, client.within(PATIENCE), fast, sink);

            assertThat(delivery.delivered()).isEqualTo(1);
            ExactDecoder decoder = new ExactDecoder(namespace);
            decoder.begin(Objects.requireNonNull(sink.headers.get(0)));
            Objects.requireNonNull(sink.segments.get(0))
                    .forEach((s, bytes) -> decoder.accept(s, MemorySegment.ofArray(bytes)));
            OpaqueBlock back = OpaqueBlock.allocate(geometry, 3 * CHUNK_TOKENS, 10);
            assertThat(decoder.finish(back)).isEqualTo(3);
            assertThat(back.layers().mismatch(state.layers())).isEqualTo(-1);
        }
    }

    @Test
    void match_longerOrShorterPrefix_isAMiss() {
        try (TestNode node = new TestNode(folder)) {
            KvtierClient client = node.client();
            var _ = put(client, CHUNK_TOKENS);
            var _ = put(client, 2 * CHUNK_TOKENS);
            assertThat(match(client, CHUNK_TOKENS).tokens()).isEqualTo(CHUNK_TOKENS);
            assertThat(match(client, 2 * CHUNK_TOKENS).chunks()).hasSize(1);
            for (int count : new int[] {1, 63, 65, 127, 129, 3 * CHUNK_TOKENS, tokens.length}) {
                assertThat(match(client, count).isMiss()).as("%d tokens", count).isTrue();
            }
        }
    }
}
