package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.Delivery.Cut;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.plan.ExecutionModel;
import io.kvtier.codec.plan.LossBudget;
import io.kvtier.codec.plan.Recompute;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Streams that weigh computing, a loss budget and an execution model, over real sockets. */
class StreamRulesTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir Path folder;

    private final Namespace namespace = TestFrames.namespace(1);
    private final int[] tokens = TestFrames.tokens(3);
    private final List<byte[]> frames = TestFrames.frames(namespace, tokens, 1, 3000);

    private Delivery stream(KvtierClient client, StreamOptions options, RecordingSink sink) {
        Match match = client.match(namespace, tokens, client.within(PATIENCE));
        Delivery delivery = client.open(match, client.within(PATIENCE), options, sink);
        assertThat(delivery.hit()).isEqualTo(3);
        return delivery;
    }

    @Test
    void open_computingIsFaster_sendsNotAByteAndSaysWhy() {
        try (TestNode node = new TestNode(folder)) {
            node.replace(frames);
            RecordingSink sink = new RecordingSink();
            StreamOptions options = StreamOptions.defaults().withRecompute(Recompute.at(1e6));
            Delivery delivery = stream(node.client(), options, sink);
            assertThat(delivery.end()).isEqualTo(Cut.SLOWER);
            assertThat(delivery.endMessage()).contains("computing takes 0 ms");
            assertThat(delivery.admitted()).isZero();
            assertThat(delivery.delivered()).isZero();
            assertThat(delivery.bytes()).isZero();
            assertThat(sink.headers).isEmpty();
        }
    }

    @Test
    void open_fetchingIsFaster_statesPlanAndCostOfComputing() {
        try (TestNode node = new TestNode(folder)) {
            node.replace(frames);
            RecordingSink sink = new RecordingSink();
            StreamOptions options = StreamOptions.defaults().withRecompute(Recompute.at(10));
            Delivery delivery = stream(node.client(), options, sink);
            sink.assertSound(delivery, List.of(frames));
            assertThat(delivery.end()).isEqualTo(Cut.NONE);
            assertThat(delivery.admitted()).isEqualTo(3);
            assertThat(delivery.delivered()).isEqualTo(3);
            assertThat(delivery.computeNanos()).isEqualTo(19_200_000_000L);
            assertThat(delivery.plannedNanos()).isBetween(1L, delivery.computeNanos());
        }
    }

    @Test
    void open_nodeSaysNothing_givesUpAtATenthOfComputingAndNotAtTheDeadline() {
        CountDownLatch released = new CountDownLatch(1);
        try (TestNode node =
                new TestNode(
                        folder,
                        options -> options,
                        MeddlingStore::new,
                        Authenticator.anonymous())) {
            node.replace(frames);
            MeddlingStore store = (MeddlingStore) node.store;
            store.before(0, () -> await(released));
            // A tenth of 19.2 s / 10: the deadline is ten times as far away.
            StreamOptions options = StreamOptions.defaults().withRecompute(Recompute.at(100));
            Delivery delivery = stream(node.client(), options, new RecordingSink());
            released.countDown();
            assertThat(delivery.end()).isEqualTo(Cut.STALLED);
            assertThat(delivery.delivered()).isZero();
        }
    }

    @Test
    void open_engineComputesFromTheFront_deliversTheEndOfTheMatch() {
        try (TestNode node = new TestNode(folder)) {
            node.replace(List.of(frames.get(0), frames.get(1), frames.get(2)));
            KvtierClient client = node.client();
            Match match = client.match(namespace, tokens, client.within(PATIENCE));
            boolean _ =
                    node.store.remove(Tenant.NONE.keyOf(TestFrames.header(frames.get(1)).key()));
            RecordingSink sink = new RecordingSink();
            StreamOptions options =
                    StreamOptions.defaults().withModel(new ExecutionModel.Bidirectional());
            Delivery delivery = client.open(match, client.within(PATIENCE), options, sink);
            assertThat(delivery.first()).isEqualTo(2);
            assertThat(delivery.delivered()).isEqualTo(1);
            assertThat(delivery.chunks().getFirst().key())
                    .isEqualTo(TestFrames.header(frames.get(2)).key());
            assertThat(delivery.end()).isEqualTo(Cut.MISS);
        }
    }

    @Test
    void open_layered_isAllOrNothing() {
        try (TestNode node = new TestNode(folder)) {
            node.replace(frames);
            KvtierClient client = node.client();
            Match match = client.match(namespace, tokens, client.within(PATIENCE));
            StreamOptions options =
                    StreamOptions.defaults().withModel(new ExecutionModel.Layered(4));
            RecordingSink sink = new RecordingSink();
            assertThat(client.open(match, client.within(PATIENCE), options, sink).delivered())
                    .isEqualTo(3);
        }
    }

    @Test
    void open_lossBudget_isKeptByEveryDeliveredChunk() {
        try (TestNode node = new TestNode(folder)) {
            // Two groups leave 4000 at rung 0 and 222 + 222 at rung 1, of 64 tokens.
            List<byte[]> bases = frames.stream().map(frame -> TestFrames.cut(frame, 1)).toList();
            LossBudget loss = new LossBudget(500.0 / 64, 1);
            StreamOptions options = StreamOptions.defaults().withLoss(loss);
            node.replace(List.of(frames.get(0), frames.get(1), bases.get(2)));
            RecordingSink sink = new RecordingSink();
            Delivery delivery = stream(node.client(), options, sink);
            sink.assertSound(delivery, List.of(frames));
            assertThat(delivery.delivered()).isEqualTo(2);
            assertThat(delivery.chunks()).allMatch(chunk -> chunk.grade().headRung() >= 1);
            node.replace(bases);
            Delivery none = stream(node.client(), options, new RecordingSink());
            assertThat(none.delivered()).isZero();
            assertThat(none.bytes()).isZero();
            assertThat(none.end()).isEqualTo(Cut.LOSS);
        }
    }

    @Test
    void get_byTicket_statesWhatCame() {
        try (TestNode node = new TestNode(folder)) {
            node.replace(frames);
            KvtierClient client = node.client(node.node.port(), ClientOptions.defaults());
            Match match = client.match(namespace, tokens, client.within(PATIENCE));
            RecordingSink sink = new RecordingSink();
            Delivery delivery =
                    client.get(match, client.within(PATIENCE), StreamOptions.defaults(), sink);
            sink.assertSound(delivery, List.of(frames));
            assertThat(delivery.first()).isZero();
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(30, java.util.concurrent.TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
