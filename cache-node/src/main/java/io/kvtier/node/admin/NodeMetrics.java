package io.kvtier.node.admin;

import io.kvtier.flight.SeriesReport;
import io.kvtier.flight.ServiceReport;
import io.kvtier.node.admin.NodeReport.LogReport;
import io.kvtier.storage.StoreStats;
import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.util.List;
import java.util.function.Supplier;

/**
 * A node's report as Prometheus metrics, made anew at each scrape: so both say the same.
 *
 * <p>Thread-safety: all methods.
 */
final class NodeMetrics implements MultiCollector {
    private final Supplier<NodeReport> report;

    NodeMetrics(Supplier<NodeReport> report) {
        this.report = report;
    }

    @Override
    public MetricSnapshots collect() {
        NodeReport node = report.get();
        Snapshots out = new Snapshots();
        out.gauge("kvtier_ready", "1 if a put would be taken, else 0", node.ready() ? 1 : 0);
        out.gauge("kvtier_uptime_seconds", "Time since the start", node.uptimeSeconds());
        out.gauge("kvtier_pool_mapped_bytes", "Native memory mapped", node.poolMappedBytes());
        out.gauge(
                "kvtier_pool_outstanding_bytes",
                "Native memory in use: chunks in memory, puts and reads under way",
                node.poolOutstandingBytes());
        out.gauge("kvtier_tickets", "Chunks looked up and not yet read", node.tickets());
        out.gauge("kvtier_ticket_bytes", "Bytes of these", node.ticketBytes());
        out.gauge("kvtier_pins", "Chunks that are pinned", node.pins());
        out.gauge("kvtier_pinned_bytes", "Bytes of these", node.pinnedBytes());
        node.losses()
                .forEach(
                        (cause, count) ->
                                out.counter(
                                        "kvtier_lost_chunks",
                                        "Chunks let go, by cause",
                                        count,
                                        "cause",
                                        cause));
        node.store().tiers().forEach(tier -> tier(out, tier));
        LogReport log = node.log();
        if (log != null) {
            log(out, log);
        }
        service(out, node.service());
        cluster(out, node.cluster());
        return out.build();
    }

    private static void tier(Snapshots out, StoreStats tier) {
        String name = tier.name();
        out.gauge("kvtier_tier_chunks", "Chunks held", tier.entries(), "tier", name);
        out.gauge("kvtier_tier_bytes", "Bytes charged", tier.bytes(), "tier", name);
        out.gauge("kvtier_tier_limit_bytes", "Their limit", tier.bytesMax(), "tier", name);
        String opens = "Values opened in a tier, or not found there";
        out.counter("kvtier_tier_opens", opens, tier.hits(), "tier", name, "result", "hit");
        out.counter("kvtier_tier_opens", opens, tier.misses(), "tier", name, "result", "miss");
        tierPut(out, name, "stored", tier.stored());
        tierPut(out, name, "already_present", tier.alreadyPresent());
        tierPut(out, name, "replaced", tier.replaced());
        tierPut(out, name, "kept_other", tier.keptOther());
        tierPut(out, name, "refused", tier.refused());
        out.counter(
                "kvtier_tier_evicted_chunks",
                "Chunks dropped to stay within the limit",
                tier.evicted(),
                "tier",
                name);
        out.counter(
                "kvtier_tier_shrunk_chunks",
                "Chunks that lost parts to stay within the limit",
                tier.shrunk(),
                "tier",
                name);
        out.counter(
                "kvtier_tier_quarantined_chunks",
                "Chunks set aside because a check failed",
                tier.quarantined(),
                "tier",
                name);
    }

    private static void tierPut(Snapshots out, String tier, String result, long count) {
        out.counter(
                "kvtier_tier_puts",
                "Puts to a tier, those of promotion and of readiness included",
                count,
                "tier",
                tier,
                "result",
                result);
    }

    private static void log(Snapshots out, LogReport log) {
        out.gauge(
                "kvtier_log_segment_bytes",
                "Segment files of the log",
                log.traffic().segmentBytes());
        out.gauge("kvtier_log_index_bytes", "Heap that the log's index takes", log.indexBytes());
        out.counter(
                "kvtier_log_written_bytes",
                "Bytes written to segment files",
                log.traffic().written());
        out.counter("kvtier_log_compacted_bytes", "Of these, by compaction", log.traffic().moved());
        out.counter("kvtier_scrub_passes", "Passes over the log", log.scrubbed().passes());
        out.counter("kvtier_scrub_bytes", "Bytes read again", log.scrubbed().bytes());
        out.counter(
                "kvtier_scrub_damaged_chunks",
                "Chunks that did not match their checksums",
                log.scrubbed().damaged());
    }

    private static void service(Snapshots out, ServiceReport service) {
        out.gauge("kvtier_streams", "Segment and put streams under way", service.streams());
        out.gauge("kvtier_queued_requests", "Requests that wait", service.queued());
        out.gauge("kvtier_open_calls", "Calls that hold memory", service.openCalls());
        out.counter(
                "kvtier_leaked_calls",
                "Calls that had not given memory back 30 s after their end",
                service.leakedCalls());
        out.gauge("kvtier_in_flight_bytes", "Handed to the network", service.inFlightBytes());
        out.gauge("kvtier_in_flight_limit_bytes", "Their limit", service.inFlightBytesMax());
        out.gauge(
                "kvtier_send_rate_bytes_per_second",
                "Bytes of chunks sent, over the last seconds",
                service.sentBytesPerSecond());
        String deadlines = "Requests with a deadline, by whether the last byte was sent within it";
        out.counter("kvtier_deadlines", deadlines, service.deadlinesMet(), "result", "met");
        out.counter("kvtier_deadlines", deadlines, service.deadlinesMissed(), "result", "missed");
        out.histogram(
                "kvtier_request_queue_seconds",
                "From a request's arrival to the begin of its answer",
                service.queueTime());
        out.histogram(
                "kvtier_request_answer_seconds",
                "From a request's arrival to the hand-over of its last byte",
                service.answerTime());
        service.series().forEach(each -> series(out, each));
    }

    private static void series(Snapshots out, SeriesReport series) {
        String tenant = series.tenant();
        String namespace = series.namespace();
        series.lookups()
                .forEach(
                        (result, count) ->
                                out.counter(
                                        "kvtier_lookup_chunks",
                                        "Chunks that lookups asked for, by what came of it",
                                        count,
                                        labels(tenant, namespace, "result", result)));
        series.requests()
                .forEach(
                        (result, count) ->
                                out.counter(
                                        "kvtier_requests",
                                        "Requests for parts of chunks, by how they ended",
                                        count,
                                        labels(tenant, namespace, "result", result)));
        series.puts()
                .forEach(
                        (result, count) ->
                                out.counter(
                                        "kvtier_put_chunks",
                                        "Chunks that came, by what became of them",
                                        count,
                                        labels(tenant, namespace, "result", result)));
        rungs(out, series, "kvtier_received_bytes", "Bytes kept of puts", series.receivedBytes());
        rungs(out, series, "kvtier_sent_bytes", "Bytes of chunks sent", series.sentBytes());
    }

    private static void rungs(
            Snapshots out, SeriesReport series, String name, String help, List<Long> bytes) {
        for (int rung = 0; rung < bytes.size(); rung++) {
            String[] labels =
                    labels(series.tenant(), series.namespace(), "rung", String.valueOf(rung));
            out.counter(name, help, bytes.get(rung), labels);
        }
    }

    private static String[] labels(String tenant, String namespace, String name, String value) {
        return new String[] {"tenant", tenant, "namespace", namespace, name, value};
    }

    private static void cluster(Snapshots out, NodeReport.Cluster cluster) {
        out.gauge("kvtier_cluster_epoch", "Epoch of the cluster map", cluster.epoch());
        for (String state : List.of("joining", "up", "draining", "down")) {
            long count =
                    cluster.members().stream().filter(each -> each.state().equals(state)).count();
            out.gauge("kvtier_cluster_members", "Members by state", count, "state", state);
        }
    }
}
