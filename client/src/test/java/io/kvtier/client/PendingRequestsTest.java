package io.kvtier.client;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.PendingRequests.Pending;
import org.junit.jupiter.api.Test;

class PendingRequestsTest {
    private final GoodputEstimator estimator = new GoodputEstimator(1e6);
    private final PendingRequests pending = new PendingRequests(estimator, () -> 0);
    private final Pending request = new Pending(3, 0, 1, 1000);

    @Test
    void arrived_inPieces_countsWhatIsMissing() {
        pending.add(7, request);
        assertThat(pending.underWay().bytes()).isEqualTo(1000);
        assertThat(pending.arrived(7, 400, false)).contains(request);
        assertThat(pending.underWay()).isEqualTo(new StreamPlan.UnderWay(600, 400));
        assertThat(pending.arrived(7, 640, true)).contains(request);
        assertThat(pending.isEmpty()).isTrue();
        assertThat(pending.underWay()).isEqualTo(StreamPlan.UnderWay.NOTHING);
    }

    @Test
    void arrived_afterItWasTakenBack_isStillOfUseUntilItsLast() {
        pending.add(7, request);
        pending.retract(7);
        assertThat(pending.isEmpty()).isTrue();
        assertThat(pending.isAwaited(7)).isFalse();
        assertThat(pending.arrived(7, 400, false)).contains(request);
        assertThat(pending.underWay()).isEqualTo(StreamPlan.UnderWay.NOTHING);
        assertThat(pending.arrived(7, 600, true)).contains(request);
        assertThat(pending.arrived(7, 1, false)).isEmpty();
    }

    @Test
    void arrived_afterItWasGivenUp_isNobodys() {
        pending.add(7, request);
        pending.add(8, request);
        pending.retract(8);
        assertThat(pending.clear()).containsExactlyInAnyOrder(7, 8);
        assertThat(pending.arrived(7, 400, true)).isEmpty();
        assertThat(pending.arrived(8, 400, true)).isEmpty();
    }
}
