package io.kvtier.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

/** The estimate follows the link, in virtual time. */
class GoodputEstimatorTest {
    private static final long MILLI = 1_000_000;
    private static final int PIECE = 64 << 10;

    private final GoodputEstimator estimator = new GoodputEstimator(1e6);
    private long now;

    /** Pieces that arrive at a rate after one request, with a round trip before the first. */
    private void deliver(double bytesPerSecond, int pieces, long roundTrip) {
        estimator.sent(now);
        now += roundTrip;
        for (int i = 0; i < pieces; i++) {
            now += (long) (PIECE / bytesPerSecond * 1e9);
            estimator.arrived(PIECE, now);
        }
        estimator.ended();
    }

    @Test
    void cold_takesTheHintAndTheWindowFollows() {
        assertThat(estimator.bytesPerSecond()).isEqualTo(1e6);
        // Nothing is known: a fast link would idle, and bases are wanted in any case.
        assertThat(estimator.windowBytes(now)).isEqualTo(4 << 20);
        estimator.hint(10_000_000);
        assertThat(estimator.bytesPerSecond()).isEqualTo(8e6);
        assertThat(estimator.windowBytes(now)).isEqualTo(800_000);
        estimator.hint(0);
        assertThat(estimator.bytesPerSecond()).isEqualTo(8e6);
    }

    @Test
    void steadyLink_isEstimatedFromBelow() {
        estimator.roundTrip(20 * MILLI);
        for (int i = 0; i < 10; i++) {
            deliver(5e6, 20, 20 * MILLI);
            now += 500 * MILLI; // idle time does not count
        }
        assertThat(estimator.bytesPerSecond()).isCloseTo(5e6, within(5e5)).isLessThan(5.01e6);
        assertThat(estimator.windowBytes(now)).isCloseTo(600_000, within(60_000L));
    }

    @Test
    void collapse_isFeltWithinHalfASecond() {
        deliver(25e6, 200, 0);
        long collapse = now;
        while (now - collapse < 500 * MILLI) {
            deliver(1e6, 1, 0);
        }
        assertThat(estimator.bytesPerSecond()).isLessThan(3e6);
    }

    @Test
    void longReply_afterACollapse_countsByItsTime() {
        deliver(25e6, 200, 0);
        estimator.sent(now);
        now += 750 * MILLI;
        estimator.arrived(750_000, now);
        estimator.ended();
        assertThat(estimator.bytesPerSecond()).isLessThan(1.3e6);
        assertThat(estimator.expectedBytesPerSecond(now)).isLessThan(1.3e6);
    }

    @Test
    void pipe_coversARoundTripAndTheReplyThatIsOnItsWay() {
        estimator.roundTrip(40 * MILLI);
        deliver(5e6, 100, 40 * MILLI);
        // 50 ms of 5 MB/s, and a piece.
        assertThat(estimator.pipeBytes(now)).isCloseTo(250_000 + PIECE, within(30_000L));
        assertThat(estimator.expectedBytesPerSecond(now)).isCloseTo(5e6, within(2e5));
    }

    @Test
    void hint_afterMeasuring_isIgnored() {
        deliver(5e6, 50, 0);
        double before = estimator.bytesPerSecond();
        estimator.hint(1_000_000_000);
        assertThat(estimator.bytesPerSecond()).isEqualTo(before);
    }

    @Test
    void jumpingClock_neverGivesNonsense() {
        estimator.sent(1000 * MILLI);
        estimator.arrived(PIECE, 0);
        estimator.arrived(PIECE, Long.MAX_VALUE / 2);
        estimator.ended();
        estimator.ended();
        assertThat(estimator.bytesPerSecond()).isPositive().isFinite();
        assertThat(estimator.windowBytes(now)).isGreaterThanOrEqualTo(64 << 10);
    }
}
