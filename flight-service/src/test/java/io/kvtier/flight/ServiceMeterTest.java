package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.codec.wire.SegmentRequest;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ServiceMeterTest {
    private static final long SECOND = 1_000_000_000L;

    private final AtomicLong nanos = new AtomicLong();
    private final ServiceMeter meter = new ServiceMeter(nanos::get);
    private final Tenant tenant = tenant("acme");

    @Test
    void lookupsOfUnknownNamespaces_shareOneSeries() {
        for (int i = 0; i < 1000; i++) {
            meter.looked(tenant, digest(i), 4, 0, Series.Looked.NOT_HELD);
        }
        List<SeriesReport> series = series();
        assertThat(series).hasSize(1);
        assertThat(series.getFirst().namespace()).isEqualTo("unknown");
        assertThat(series.getFirst().lookups())
                .containsEntry("not_held", 1000L)
                .containsEntry("behind_a_miss", 3000L)
                .containsEntry("held", 0L);
    }

    @Test
    void seriesOfOneTenant_areBounded_andLeaveRoomForOthers() {
        for (int i = 0; i < 1000; i++) {
            meter.held(tenant, digest(i)).put(PutReply.Status.STORED);
        }
        Tenant other = tenant("other-tenant");
        meter.held(other, digest(7)).put(PutReply.Status.STORED);
        List<SeriesReport> series = series();
        assertThat(series).hasSize(ServiceMeter.SERIES_PER_TENANT_MAX + 2);
        assertThat(series.stream().mapToLong(each -> each.puts().get("stored")).sum())
                .isEqualTo(1001);
        assertThat(series).anyMatch(each -> each.tenant().equals("other-tenant"));
    }

    @Test
    void deadlines_areMetOrMissed_andRequestsWithoutOneAreNeither() {
        RequestQueue queue = new RequestQueue(10, nanos::get);
        try (ServiceMeter.Running stream = meter.running(tenant, digest(1), queue)) {
            end(stream, queue, SECOND, SECOND / 2, Series.Answered.SENT);
            end(stream, queue, SECOND, 2 * SECOND, Series.Answered.SENT);
            end(stream, queue, SECOND, 2 * SECOND, Series.Answered.LATE);
            end(stream, queue, SECOND, SECOND / 2, Series.Answered.CANCELLED);
            end(stream, queue, 0, SECOND, Series.Answered.SENT);
            ServiceReport report = report();
            assertThat(report.deadlinesMet()).isEqualTo(1);
            assertThat(report.deadlinesMissed()).isEqualTo(2);
            assertThat(report.running()).hasSize(1);
            assertThat(report.answerTime().counts().stream().mapToLong(c -> c).sum()).isEqualTo(3);
            assertThat(report.answerTime().sumSeconds()).isEqualTo(3.5);
        }
        assertThat(report().running()).isEmpty();
    }

    @Test
    void rate_isOfTheLastSeconds() {
        ByteRate rate = new ByteRate(nanos::get);
        rate.add(500);
        assertThat(rate.bytesPerSecond()).isEqualTo(500);
        for (int i = 0; i < 20; i++) {
            nanos.addAndGet(SECOND);
            rate.add(100);
        }
        assertThat(rate.bytesPerSecond()).isBetween(100L, 120L);
        nanos.addAndGet(100 * SECOND);
        assertThat(rate.bytesPerSecond()).isZero();
    }

    private void end(
            ServiceMeter.Running stream,
            RequestQueue queue,
            long budget,
            long took,
            Series.Answered result) {
        queue.add(
                new SegmentRequest(
                        1, Digest.ZERO, Digest.ZERO, 0, 1, true, SegmentRequest.ALL_HEADS, budget));
        RequestQueue.Waiting waiting;
        try {
            waiting = queue.take().orElseThrow();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        stream.begins(waiting);
        nanos.addAndGet(took);
        stream.ends(waiting, result);
    }

    private List<SeriesReport> series() {
        return report().series();
    }

    private ServiceReport report() {
        try (StreamWatch watch = new StreamWatch(nanos::get, () -> {});
                var allocator = new org.apache.arrow.memory.RootAllocator(1 << 20)) {
            return meter.report(
                    watch, new CallMemory(allocator, nanos::get), new InFlightBudget(1), 1);
        }
    }

    private static Tenant tenant(String name) {
        return new Tenant(name, "0".repeat(32));
    }

    private static Digest digest(int number) {
        return Digest.sha256(ByteBuffer.allocate(4).putInt(number).array());
    }
}
