package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.Delivery.Cut;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.NanoClock;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.TicketOptions;
import io.kvtier.storage.TicketedChunkStore;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Between a lookup and the stream that follows it a node evicts what the lookup found. */
class TicketTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir Path folder;

    private final Namespace namespace = TestFrames.namespace(1);
    private final int[] tokens = TestFrames.tokens(3);
    private final List<byte[]> frames = TestFrames.frames(namespace, tokens, 1, 3000);
    private final AtomicLong nanos = new AtomicLong();
    private @Nullable ChunkStore inner;

    /** Replies of less than a chunk, so that each is opened more than once. */
    private TestNode node() {
        TicketOptions options = TicketOptions.ofBytesMax(64L << 20);
        NanoClock clock = nanos::get;
        return new TestNode(
                folder,
                flight -> flight.withSliceBytes(1024),
                (store, pool) -> {
                    inner = store;
                    return new TicketedChunkStore(store, pool, options, clock);
                },
                Authenticator.anonymous());
    }

    private Match putAndMatch(KvtierClient client) {
        List<MemorySegment> segments = frames.stream().map(MemorySegment::ofArray).toList();
        assertThat(client.put(namespace, segments, Persistence.MEMORY, client.within(PATIENCE)))
                .extracting(PutReply::status)
                .containsOnly(PutReply.Status.STORED);
        return client.match(namespace, tokens, client.within(PATIENCE));
    }

    /** What an eviction does to a value; tickets hear of removals, not of evictions. */
    private void evictFrames() {
        for (byte[] frame : frames) {
            StoreKey key = Tenant.NONE.keyOf(TestFrames.header(frame).key());
            assertThat(Objects.requireNonNull(inner).remove(key)).isTrue();
            assertThat(inner.find(key)).isEmpty();
        }
    }

    private static TicketedChunkStore tickets(TestNode node) {
        return (TicketedChunkStore) node.store;
    }

    private static void awaitNoTickets(TestNode node) {
        Awaitility.await()
                .atMost(PATIENCE)
                .untilAsserted(() -> assertThat(tickets(node).tickets()).isZero());
        assertThat(tickets(node).ticketBytes()).isZero();
    }

    @Test
    void open_evictedSinceTheLookup_deliversTheWholePrefix() {
        try (TestNode node = node()) {
            KvtierClient client = node.client();
            Match match = putAndMatch(client);
            assertThat(tickets(node).tickets()).isEqualTo(3);
            evictFrames();

            RecordingSink sink = new RecordingSink();
            Delivery delivery =
                    client.open(match, client.within(PATIENCE), StreamOptions.defaults(), sink);

            sink.assertSound(delivery, List.of(frames));
            assertThat(delivery.delivered()).isEqualTo(3);
            assertThat(delivery.chunks()).extracting(Delivery.Chunk::cut).containsOnly(Cut.NONE);
            assertThat(sink.segmentCount).isEqualTo(3 * 8);
            client.close();
            awaitNoTickets(node);
        }
    }

    @Test
    void match_clientGoesAway_endsItsTickets() {
        try (TestNode node = node()) {
            Match kept = putAndMatch(node.client());
            try (KvtierClient other =
                    KvtierClient.connect(
                            "127.0.0.1:" + node.node.port(), ClientOptions.defaults())) {
                Match match = other.match(namespace, tokens, other.within(PATIENCE));
                assertThat(match.chunks()).isEqualTo(kept.chunks());
                assertThat(tickets(node).tickets()).isEqualTo(6);
            }
            Awaitility.await()
                    .atMost(PATIENCE)
                    .untilAsserted(() -> assertThat(tickets(node).tickets()).isEqualTo(3));
        }
    }

    @Test
    void match_nobodyOpens_endsWithItsLifetime() {
        try (TestNode node = node()) {
            Match match = putAndMatch(node.client());
            assertThat(match.chunks()).hasSize(3);
            nanos.addAndGet(PATIENCE.toNanos());

            tickets(node).sweep();

            assertThat(tickets(node).tickets()).isZero();
            assertThat(tickets(node).ticketBytes()).isZero();
        }
    }
}
