package io.kvtier.flight.share;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.OverloadedException;
import io.kvtier.codec.wire.StreamClaim;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.Test;

/** Who is let in, by a clock that stands still unless it is told to go; and in whose turn. */
class LinkBrokerTest {
    private static final double LINK = 10e6;
    private static final long SECOND = 1_000_000_000;

    private final AtomicLong now = new AtomicLong(5 * SECOND);
    private final LinkBroker broker = new LinkBroker(LINK, 3, now::get);

    private static StreamClaim claim(int stream, long need) {
        return new StreamClaim(stream, need, 2 * need);
    }

    private long in(double seconds) {
        return now.get() + (long) (seconds * SECOND);
    }

    @Test
    void claim_needsFitTogether_letsBothIn() {
        try (LinkShare a = broker.open();
                LinkShare b = broker.open()) {
            assertThat(a.claim(claim(1, 6_000_000), in(1))).isEmpty();
            assertThat(b.claim(claim(1, 3_000_000), in(1))).isEmpty();
            assertThat(a.bytesPerSecond()).isBetween(6_000_000L, 7_000_000L);
            assertThat(a.bytesPerSecond() + b.bytesPerSecond()).isBetween(9_999_990L, 10_000_001L);
        }
    }

    @Test
    void claim_needsDoNotFit_refusesTheLaterOneUntilTheOthersDeadline() {
        try (LinkShare a = broker.open();
                LinkShare b = broker.open()) {
            assertThat(a.claim(claim(1, 6_000_000), in(1))).isEmpty();
            assertThat(b.claim(claim(1, 5_000_000), in(1))).contains(Duration.ofSeconds(1));
            // The first one goes on, whatever it claims; the second may come once it is done.
            assertThat(a.claim(claim(1, 9_000_000), in(1))).isEmpty();
            now.addAndGet(SECOND);
            assertThat(b.claim(claim(1, 5_000_000), in(1))).isEmpty();
        }
    }

    @Test
    void claim_aloneAndNotFeasible_isLetIn() {
        try (LinkShare a = broker.open()) {
            assertThat(a.claim(claim(1, 60_000_000), in(1))).isEmpty();
            assertThat(a.claim(claim(2, 1), in(1))).isPresent();
        }
    }

    @Test
    void claim_whatWasSent_isNeededNoMore() throws InterruptedException {
        try (LinkShare a = broker.open();
                LinkShare b = broker.open()) {
            assertThat(a.claim(claim(1, 8_000_000), in(1))).isEmpty();
            assertThat(b.claim(claim(1, 5_000_000), in(1))).isPresent();
            a.take(1, 6_000_000);
            assertThat(b.claim(claim(1, 5_000_000), in(1))).isEmpty();
        }
        assertThat(broker.exchanges()).isZero();
    }

    @Test
    void open_tooMany_isRefusedWithARetry() {
        List<LinkShare> open = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            open.add(broker.open());
        }
        assertThatThrownBy(broker::open)
                .isInstanceOfSatisfying(
                        OverloadedException.class, e -> assertThat(e.retryAfter()).isPositive())
                .hasMessageContaining("streams=3");
        open.getFirst().close();
        try (LinkShare again = broker.open()) {
            assertThat(again.bytesPerSecond()).isZero();
        }
    }

    @Test
    void offer_isWhatNobodyNeedsOrAnEqualPart() {
        assertThat(broker.offerBytesPerSecond()).isEqualTo(10_000_000);
        try (LinkShare a = broker.open()) {
            assertThat(a.claim(claim(1, 2_000_000), in(1))).isEmpty();
            assertThat(broker.offerBytesPerSecond()).isEqualTo(8_000_000);
            assertThat(a.claim(claim(1, 9_000_000), in(1))).isEmpty();
            assertThat(broker.offerBytesPerSecond()).isEqualTo(5_000_000);
        }
    }

    @Test
    void unknownLink_letsEverybodyInAndTellsNothing() throws InterruptedException {
        LinkBroker unknown = new LinkBroker(0, 3, now::get);
        try (LinkShare a = unknown.open();
                LinkShare b = unknown.open()) {
            assertThat(a.claim(claim(1, 1L << 40), in(1))).isEmpty();
            assertThat(b.claim(claim(1, 1L << 40), in(1))).isEmpty();
            a.take(1, 1L << 40);
            b.take(1, 1L << 40);
            assertThat(a.bytesPerSecond()).isZero();
            assertThat(unknown.offerBytesPerSecond()).isZero();
        }
    }

    @Test
    void take_busyLink_servesTheGreaterShareMoreOften() {
        List<Integer> order = Collections.synchronizedList(new ArrayList<>());
        List<Thread> waiting = new ArrayList<>();
        try (LinkShare large = broker.open();
                LinkShare small = broker.open()) {
            assertThat(large.claim(new StreamClaim(1, 7_500_000, 7_500_000), in(1))).isEmpty();
            assertThat(small.claim(new StreamClaim(1, 2_500_000, 2_500_000), in(1))).isEmpty();
            // The first turn occupies the link, so that all the others wait for theirs.
            for (int i = 0; i < 24; i++) {
                waiting.add(turn(i % 2 == 0 ? large : small, i % 2, order));
            }
            await().until(() -> order.size() == 1);
            await().until(() -> waiting.stream().filter(LinkBrokerTest::isWaiting).count() == 23);
            // As much time as a turn takes, one turn after the other.
            for (int turns = 2; turns <= 13; turns++) {
                int served = turns;
                now.addAndGet(2_000_000);
                await().until(() -> order.size() == served);
            }
            assertThat(order.subList(1, 13).stream().filter(each -> each == 0).count())
                    .isBetween(8L, 10L);
            waiting.forEach(Thread::interrupt);
        }
    }

    private static ConditionFactory await() {
        return Awaitility.await().pollInterval(Duration.ofMillis(1)).atMost(Duration.ofSeconds(30));
    }

    private static boolean isWaiting(Thread thread) {
        return thread.getState() == Thread.State.WAITING
                || thread.getState() == Thread.State.TIMED_WAITING;
    }

    /** A turn of two milliseconds, what surrounds a reply included. */
    private static Thread turn(LinkShare share, int number, List<Integer> order) {
        return Thread.ofVirtual()
                .start(
                        () -> {
                            try {
                                share.take(1, 19_400);
                                order.add(number);
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                        });
    }
}
