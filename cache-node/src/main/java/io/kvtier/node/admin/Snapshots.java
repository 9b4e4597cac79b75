package io.kvtier.node.admin;

import io.kvtier.flight.TimeReport;
import io.prometheus.metrics.model.snapshots.ClassicHistogramBuckets;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Metrics as they are gathered for one scrape. One thread. */
final class Snapshots {
    private final Map<String, GaugeSnapshot.Builder> gauges = new LinkedHashMap<>();
    private final Map<String, CounterSnapshot.Builder> counters = new LinkedHashMap<>();
    private final List<MetricSnapshot> histograms = new ArrayList<>();

    /** Adds a value that goes up and down; labels are names and values in turn. */
    void gauge(String name, String help, long value, String... labels) {
        GaugeSnapshot.Builder metric =
                gauges.computeIfAbsent(name, n -> GaugeSnapshot.builder().name(n).help(help));
        var _ =
                metric.dataPoint(
                        GaugeSnapshot.GaugeDataPointSnapshot.builder()
                                .value((double) value)
                                .labels(Labels.of(labels))
                                .build());
    }

    /** Adds a count; the name is without {@code _total}, which the format appends. */
    void counter(String name, String help, long value, String... labels) {
        CounterSnapshot.Builder metric =
                counters.computeIfAbsent(name, n -> CounterSnapshot.builder().name(n).help(help));
        var _ =
                metric.dataPoint(
                        CounterSnapshot.CounterDataPointSnapshot.builder()
                                .value((double) value)
                                .labels(Labels.of(labels))
                                .build());
    }

    /** Adds a distribution of times. */
    void histogram(String name, String help, TimeReport times) {
        List<Double> bounds = new ArrayList<>(times.stepSeconds());
        bounds.add(Double.POSITIVE_INFINITY);
        histograms.add(
                HistogramSnapshot.builder()
                        .name(name)
                        .help(help)
                        .dataPoint(
                                HistogramSnapshot.HistogramDataPointSnapshot.builder()
                                        .classicHistogramBuckets(
                                                ClassicHistogramBuckets.of(bounds, times.counts()))
                                        .sum(times.sumSeconds())
                                        .build())
                        .build());
    }

    MetricSnapshots build() {
        List<MetricSnapshot> all = new ArrayList<>(histograms);
        gauges.values().forEach(each -> all.add(each.build()));
        counters.values().forEach(each -> all.add(each.build()));
        return new MetricSnapshots(all);
    }
}
