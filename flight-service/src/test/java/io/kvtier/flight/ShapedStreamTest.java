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
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Streams over links that a proxy shapes: whatever the link does, what came decodes to what exactly
 * those segments decode to, and a stream that is no whole one is a prefix and says why. Whether
 * that is much hangs on the machine, so only the links that leave ample time must bring everything.
 */
class ShapedStreamTest {
    private static final int CHUNKS = 16;
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @TempDir Path folder;

    private final CodedPrefix prefix = new CodedPrefix(CHUNKS);
    private final List<byte[]> frames = prefix.frames(1);
    private final long allBytes = frames.stream().mapToLong(frame -> frame.length).sum();

    /** A link at its start, and what it does as bytes arrive. */
    private record Shape(double mbit, Duration delay, Behaviour behaviour) {
        Shape(double mbit) {
            this(mbit, Duration.ZERO, (_, _) -> {});
        }
    }

    private interface Behaviour {
        void after(ThrottlingProxy proxy, long bytes);
    }

    private Delivery stream(Shape shape, Duration deadline) {
        try (TestNode node = new TestNode(folder);
                ThrottlingProxy proxy =
                        ThrottlingProxy.start(node.node.port(), shape.mbit(), shape.delay())) {
            node.replace(frames);
            KvtierClient client = node.client(proxy.port(), ClientOptions.defaults());
            Match match = client.match(prefix.namespace, prefix.tokens, client.within(PATIENCE));
            assertThat(match.chunks()).hasSize(CHUNKS);
            RecordingSink sink = counting(bytes -> shape.behaviour().after(proxy, bytes));
            Delivery delivery =
                    client.open(match, client.within(deadline), StreamOptions.defaults(), sink);
            proxy.rate(0);
            prefix.assertSound(delivery, sink, List.of(frames));
            assertThat(delivery.hit()).isEqualTo(CHUNKS);
            if (delivery.delivered() < CHUNKS) {
                assertThat(delivery.end()).isIn(Cut.DEADLINE, Cut.LINK);
            } else {
                assertThat(delivery.end()).isEqualTo(Cut.NONE);
            }
            for (Delivery.Chunk chunk : delivery.chunks()) {
                boolean whole = chunk.parts().bits() == 15;
                assertThat(chunk.cut() == Cut.NONE).isEqualTo(whole);
                assertThat(chunk.cut()).isIn(Cut.NONE, Cut.DEADLINE, Cut.LINK);
            }
            return delivery;
        }
    }

    private static RecordingSink counting(LongConsumer bytesSoFar) {
        return new RecordingSink() {
            private long bytes;

            @Override
            public void segment(int chunk, int segment, MemorySegment data) {
                super.segment(chunk, segment, data);
                bytes += data.byteSize();
                bytesSoFar.accept(bytes);
            }
        };
    }

    @Test
    void open_ampleTime_bringsEverythingOverAnyLink() {
        for (double mbit : List.of(20.0, 100.0, 1000.0)) {
            Delivery delivery = stream(new Shape(mbit), PATIENCE);
            assertThat(delivery.delivered()).as("%s Mbit/s", mbit).isEqualTo(CHUNKS);
            assertThat(delivery.chunks()).extracting(Delivery.Chunk::cut).containsOnly(Cut.NONE);
        }
    }

    @Test
    void open_littleTime_isAUsablePrefixWithItsReason() {
        for (double mbit : List.of(20.0, 100.0, 1000.0)) {
            // A quarter of what is held, by the link's rate; of the fast one any share may come.
            long nanos = (long) (allBytes * 2e3 / mbit) + 5_000_000;
            Delivery delivery = stream(new Shape(mbit), Duration.ofNanos(nanos));
            if (mbit < 1000) {
                assertThat(delivery.bytes()).as("%s Mbit/s", mbit).isLessThan(allBytes);
            }
        }
    }

    @Test
    void open_linkCollapses_refinesNoMoreAndKeepsThePrefix() {
        // 200 to 8 Mbit/s after 30 % of the bytes: what is left takes half a second.
        Behaviour collapse =
                (proxy, bytes) -> {
                    if (bytes > 0.3 * allBytes) {
                        proxy.rate(8);
                    }
                };
        Shape shape = new Shape(200, Duration.ZERO, collapse);
        Delivery delivery = stream(shape, Duration.ofMillis(250));
        assertThat(delivery.bytes()).isLessThan(allBytes);
        List<Cut> cuts = new ArrayList<>();
        delivery.chunks().forEach(chunk -> cuts.add(chunk.cut()));
        cuts.add(delivery.end());
        assertThat(cuts).containsAnyOf(Cut.DEADLINE, Cut.LINK);
    }

    /**
     * At its start the stream plans to bring everything, 24 MB in a second; when the link has
     * collapsed, the 4.8 MB of bases that are missing take most of the time.
     */
    @Test
    void open_linkCollapses_plansForTheNewLinkHalfASecondLater() {
        Namespace namespace = TestFrames.namespace(1);
        int[] tokens = TestFrames.tokens(CHUNKS);
        List<byte[]> large =
                TestFrames.frames(namespace, tokens, 1, 375_000).stream()
                        .map(frame -> TestFrames.cut(frame, 2))
                        .toList();
        long total = large.stream().mapToLong(frame -> frame.length).sum();
        Duration deadline = Duration.ofMillis(6_500);
        double collapsed = 8e6 / 8;
        try (TestNode node = new TestNode(folder);
                ThrottlingProxy proxy =
                        ThrottlingProxy.start(node.node.port(), 200, Duration.ZERO)) {
            node.replace(large);
            KvtierClient client = node.client(proxy.port(), ClientOptions.defaults());
            Match match = client.match(namespace, tokens, client.within(PATIENCE));
            AtomicLong collapse = new AtomicLong();
            RecordingSink sink =
                    counting(
                            bytes -> {
                                if (bytes > 0.3 * total && collapse.get() == 0) {
                                    proxy.rate(8);
                                    collapse.set(System.nanoTime());
                                }
                            });
            long start = System.nanoTime();
            Delivery delivery =
                    client.open(match, client.within(deadline), StreamOptions.defaults(), sink);
            proxy.rate(0);
            sink.assertSound(delivery, List.of(large));
            assertThat(delivery.bytes()).isLessThan(total);
            // The stream's own clock began a little later than this one, so this is late enough.
            long settled = collapse.get() - start + 500_000_000;
            List<Delivery.Asked> later =
                    delivery.asked().stream().filter(each -> each.nanos() > settled).toList();
            assertThat(later).isNotEmpty();
            Set<Integer> bases = new HashSet<>();
            delivery.asked().stream()
                    .filter(each -> each.nanos() <= settled && each.partFrom() == 0)
                    .forEach(each -> bases.add(each.chunk()));
            for (Delivery.Asked each : later) {
                // The lower level first: nothing is refined while a chunk was not asked for.
                boolean base = each.partFrom() == 0;
                assertThat(base || bases.size() == CHUNKS).as("%s", each).isTrue();
                bases.add(each.chunk());
                double left = (deadline.toNanos() - each.nanos()) / 1e9;
                assertThat(each.plannedBytes() / Math.max(left, 0.1))
                        .as("bytes a second that the plan counts on, %s", each)
                        .isLessThan(1.3 * collapsed);
            }
            Delivery.Asked before = delivery.asked().get(delivery.asked().size() / 8);
            assertThat(before.nanos()).isLessThan(settled);
            double planned = before.plannedBytes() / (deadline.toNanos() / 1e9);
            assertThat(planned).isGreaterThan(1.3 * collapsed);
        }
    }

    @Test
    void open_linkRampsUp_bringsEverythingInTheEnd() {
        Behaviour ramp = (proxy, bytes) -> proxy.rate(10 + 190.0 * bytes / allBytes);
        Delivery delivery = stream(new Shape(10, Duration.ZERO, ramp), PATIENCE);
        assertThat(delivery.delivered()).isEqualTo(CHUNKS);
        assertThat(delivery.chunks()).extracting(Delivery.Chunk::cut).containsOnly(Cut.NONE);
    }

    @Test
    void open_longDelay_bringsEverything() {
        Shape far = new Shape(100, Duration.ofMillis(50), (_, _) -> {});
        Delivery delivery = stream(far, PATIENCE);
        assertThat(delivery.delivered()).isEqualTo(CHUNKS);
        assertThat(delivery.elapsedNanos()).isGreaterThan(100_000_000);
    }
}
