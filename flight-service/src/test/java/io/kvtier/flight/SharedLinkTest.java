package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.Delivery.Cut;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.client.link.ThrottlingProxy;
import io.kvtier.codec.identity.Namespace;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Streams of several clients over one link, which the node knows and shares. */
class SharedLinkTest {
    private static final int READERS = 8;
    private static final double MEGABITS = 200;

    /** A little less than the link: what surrounds replies on it is not all counted. */
    private static final long LINK_BYTES_PER_SECOND = (long) (0.95 * MEGABITS * 1e6 / 8);

    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int CHUNKS = 12;

    @TempDir Path folder;

    private final Namespace namespace = TestFrames.namespace(1);
    private final int[] tokens = TestFrames.tokens(CHUNKS);

    private TestNode node(long bytesPerSecond, int streams) {
        return new TestNode(
                folder,
                options -> options.withLink(bytesPerSecond, streams),
                store -> store,
                Authenticator.anonymous());
    }

    /** All readers at once, each with a connection of its own. */
    private List<Delivery> round(TestNode node, IntUnaryOperator deadlineMillis) throws Exception {
        try (ThrottlingProxy proxy =
                        ThrottlingProxy.start(node.node.port(), MEGABITS, Duration.ZERO);
                ExecutorService threads = Executors.newFixedThreadPool(READERS)) {
            List<Callable<Delivery>> readers = new ArrayList<>();
            for (int i = 0; i < READERS; i++) {
                KvtierClient client = node.client(proxy.port(), ClientOptions.defaults());
                Match match = client.match(namespace, tokens, client.within(PATIENCE));
                Duration deadline = Duration.ofMillis(deadlineMillis.applyAsInt(i));
                readers.add(
                        () ->
                                client.open(
                                        match,
                                        client.within(deadline),
                                        StreamOptions.defaults(),
                                        new RecordingSink()));
            }
            List<Delivery> out = new ArrayList<>();
            for (Future<Delivery> delivery : threads.invokeAll(readers)) {
                out.add(delivery.get());
            }
            return out;
        }
    }

    /** Share of the streams that have every chunk. */
    private static double attained(List<Delivery> deliveries) {
        return deliveries.stream().filter(each -> each.delivered() == each.hit()).count()
                / (double) deliveries.size();
    }

    /** Jain's index of the bytes received. */
    private static double jain(List<Delivery> deliveries) {
        double sum = deliveries.stream().mapToDouble(Delivery::bytes).sum();
        double squares =
                deliveries.stream().mapToDouble(each -> (double) each.bytes() * each.bytes()).sum();
        return sum * sum / (squares * deliveries.size());
    }

    @Test
    void open_eightReadersOfOneLink_allBringTheirChunksAndEqualsGetEqualParts() throws Exception {
        // Everything for all readers is 78 MB, more than three seconds of the link; the bases are a
        // quarter of it, so that a busy machine has time to spare. A machine that stands still for
        // longer gets another try.
        List<byte[]> frames = TestFrames.frames(namespace, tokens, 1, 100_000);
        try (TestNode node = node(LINK_BYTES_PER_SECOND, 64)) {
            node.replace(frames);
            List<Delivery> equal = round(node, _ -> 2_500);
            List<Delivery> apart = round(node, reader -> 1_800 + 200 * reader);
            for (int again = 0;
                    again < 2 && (attained(equal) < 1 || attained(apart) < 1);
                    again++) {
                equal = round(node, _ -> 2_500);
                apart = round(node, reader -> 1_800 + 200 * reader);
            }
            assertThat(equal).allMatch(each -> each.hit() == CHUNKS);
            assertThat(attained(equal)).isGreaterThanOrEqualTo(0.95);
            assertThat(attained(apart)).isGreaterThanOrEqualTo(0.95);
            assertThat(jain(equal)).isGreaterThanOrEqualTo(0.9);
        }
    }

    @Test
    void open_linkIsPromisedToAnother_isRefusedAtOnceAndSaysWhenToComeAgain() throws Exception {
        // The bases of all chunks are 960 kB: a second of the link, and both want them in less
        // than two.
        List<byte[]> frames = TestFrames.frames(namespace, tokens, 1, 40_000);
        try (TestNode node = node(1_000_000, 64);
                ExecutorService threads = Executors.newSingleThreadExecutor()) {
            node.replace(frames);
            KvtierClient first = node.client();
            KvtierClient second = node.client();
            Match match = first.match(namespace, tokens, first.within(PATIENCE));
            Match other = second.match(namespace, tokens, second.within(PATIENCE));
            CountDownLatch begun = new CountDownLatch(1);
            RecordingSink sink =
                    new RecordingSink() {
                        @Override
                        public void segment(int chunk, int segment, MemorySegment bytes) {
                            super.segment(chunk, segment, bytes);
                            begun.countDown();
                        }
                    };
            Future<Delivery> running =
                    threads.submit(
                            () ->
                                    first.open(
                                            match,
                                            first.within(Duration.ofMillis(1_500)),
                                            StreamOptions.defaults(),
                                            sink));
            begun.await();
            Delivery refused =
                    second.open(
                            other,
                            second.within(Duration.ofMillis(1_200)),
                            StreamOptions.defaults(),
                            new RecordingSink());
            assertThat(refused.end()).isEqualTo(Cut.OVERLOADED);
            assertThat(refused.endMessage()).contains("promised");
            assertThat(refused.delivered()).isZero();
            assertThat(refused.bytes()).isZero();
            assertThat(refused.retryMillis()).isBetween(1, 1_500);
            sink.assertSound(running.get(), List.of(frames));
        }
    }

    @Test
    void open_tooManyExchanges_isRefusedAndTheNodeServesOn() {
        List<byte[]> frames = TestFrames.frames(namespace, tokens, 1, 1_000);
        try (TestNode node = node(0, 1)) {
            node.replace(frames);
            KvtierClient first = node.client();
            KvtierClient second = node.client();
            Match match = first.match(namespace, tokens, first.within(PATIENCE));
            Match other = second.match(namespace, tokens, second.within(PATIENCE));
            StreamOptions options = StreamOptions.defaults();
            RecordingSink sink = new RecordingSink();
            // The first client's exchange stays open behind its stream.
            Delivery whole = first.open(match, first.within(PATIENCE), options, sink);
            assertThat(whole.delivered()).isEqualTo(CHUNKS);
            Delivery refused =
                    second.open(other, second.within(PATIENCE), options, new RecordingSink());
            assertThat(refused.end()).isEqualTo(Cut.OVERLOADED);
            assertThat(refused.endMessage()).contains("streams=1");
            assertThat(refused.retryMillis()).isPositive();
            assertThat(first.open(match, first.within(PATIENCE), options, sink).delivered())
                    .isEqualTo(CHUNKS);
        }
    }

    @Test
    void get_linkIsKnown_bringsThePrefix() {
        List<byte[]> frames = TestFrames.frames(namespace, tokens, 1, 10_000);
        try (TestNode node = node(LINK_BYTES_PER_SECOND, 8)) {
            node.replace(frames);
            KvtierClient client = node.client();
            Match match = client.match(namespace, tokens, client.within(PATIENCE));
            assertThat(match.bytesPerSecond()).isEqualTo(LINK_BYTES_PER_SECOND);
            RecordingSink sink = new RecordingSink();
            Delivery delivery =
                    client.get(match, client.within(PATIENCE), StreamOptions.defaults(), sink);
            sink.assertSound(delivery, List.of(frames));
            assertThat(delivery.delivered()).isEqualTo(CHUNKS);
        }
    }
}
