package io.kvtier.node;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A node's report in a screen of text: what {@code kvtier stats} and {@code kvtier top} show. */
final class StatsView {
    private static final String[] UNITS = {"B", "KiB", "MiB", "GiB", "TiB"};

    private StatsView() {}

    /** Lines of at most 100 characters, unless names are long. */
    static List<String> lines(JsonNode node) {
        List<String> out = new ArrayList<>();
        JsonNode service = node.path("service");
        out.add(
                "node %s  up %s  %s"
                        .formatted(
                                node.path("endpoint").asText(),
                                time(node.path("uptimeSeconds").asLong()),
                                node.path("ready").asBoolean()
                                        ? "ready"
                                        : "NOT READY: " + node.path("whyNotReady").asText()));
        out.add(
                "admin %s  cluster epoch %d"
                        .formatted(
                                node.path("admin").asText(), node.at("/cluster/epoch").asLong()));
        out.add("");
        tiers(out, node.path("store").path("tiers"));
        out.add("");
        out.add(
                "sending %s/s  in flight %s of %s  streams %d  queued %d  tickets %d (%s)"
                        .formatted(
                                bytes(service.path("sentBytesPerSecond").asLong()),
                                bytes(service.path("inFlightBytes").asLong()),
                                bytes(service.path("inFlightBytesMax").asLong()),
                                service.path("streams").asInt(),
                                service.path("queued").asInt(),
                                node.path("tickets").asLong(),
                                bytes(node.path("ticketBytes").asLong())));
        long met = service.path("deadlinesMet").asLong();
        long missed = service.path("deadlinesMissed").asLong();
        out.add(
                "deadlines met %s of %d  leaked calls %d  native memory %s of %s mapped"
                        .formatted(
                                share(met, met + missed),
                                met + missed,
                                service.path("leakedCalls").asLong(),
                                bytes(node.path("poolOutstandingBytes").asLong()),
                                bytes(node.path("poolMappedBytes").asLong())));
        out.add("let go: " + counts(node.path("losses")));
        series(out, service.path("series"));
        streams(out, service.path("running"));
        return out;
    }

    private static void tiers(List<String> out, JsonNode tiers) {
        out.add(
                "%-6s %9s %10s %10s %6s %8s %8s %8s %8s %8s"
                        .formatted(
                                "tier", "chunks", "held", "limit", "opens", "hits", "stored",
                                "evicted", "cut", "damaged"));
        for (JsonNode tier : tiers) {
            long hits = tier.path("hits").asLong();
            long opens = hits + tier.path("misses").asLong();
            out.add(
                    "%-6s %9d %10s %10s %6d %8s %8d %8d %8d %8d"
                            .formatted(
                                    tier.path("name").asText(),
                                    tier.path("entries").asLong(),
                                    bytes(tier.path("bytes").asLong()),
                                    bytes(tier.path("bytesMax").asLong()),
                                    opens,
                                    share(hits, opens),
                                    tier.path("stored").asLong(),
                                    tier.path("evicted").asLong(),
                                    tier.path("shrunk").asLong(),
                                    tier.path("quarantined").asLong()));
        }
    }

    private static void series(List<String> out, JsonNode series) {
        for (JsonNode each : series) {
            JsonNode lookups = each.path("lookups");
            long held = lookups.path("held").asLong();
            long asked = 0;
            for (JsonNode count : lookups) {
                asked += count.asLong();
            }
            out.add("");
            out.add(
                    "tenant %s, namespace %s: %s of %d chunks looked up were held"
                            .formatted(
                                    each.path("tenant").asText(),
                                    each.path("namespace").asText(),
                                    share(held, asked),
                                    asked));
            out.add("  lookups   " + counts(lookups));
            out.add("  requests  " + counts(each.path("requests")));
            out.add("  puts      " + counts(each.path("puts")));
            out.add("  received  " + rungs(each.path("receivedBytes")));
            out.add("  sent      " + rungs(each.path("sentBytes")));
        }
    }

    private static void streams(List<String> out, JsonNode running) {
        for (JsonNode stream : running) {
            out.add("");
            out.add(
                    "stream of %s, namespace %s: %s/s, %d queued, deadline %s  %s"
                            .formatted(
                                    stream.path("tenant").asText(),
                                    stream.path("namespace").asText(),
                                    bytes(stream.path("bytesPerSecond").asLong()),
                                    stream.path("queued").asInt(),
                                    stream.path("deadlineSeconds").asDouble() > 0
                                            ? "%.2f s"
                                                    .formatted(
                                                            stream.path("deadlineSeconds")
                                                                    .asDouble())
                                            : "none",
                                    rungs(stream.path("sentBytes"))));
        }
    }

    /** Those that are not zero. */
    private static String counts(JsonNode counts) {
        List<String> out = new ArrayList<>();
        counts.properties()
                .forEach(
                        each -> {
                            if (each.getValue().asLong() > 0) {
                                out.add(
                                        each.getKey().replace('_', ' ')
                                                + " "
                                                + each.getValue().asLong());
                            }
                        });
        return out.isEmpty() ? "none" : String.join(", ", out);
    }

    private static String rungs(JsonNode bytes) {
        List<String> out = new ArrayList<>();
        for (int rung = 0; rung < bytes.size(); rung++) {
            if (bytes.get(rung).asLong() > 0) {
                out.add("rung " + rung + " " + bytes(bytes.get(rung).asLong()));
            }
        }
        return out.isEmpty() ? "nothing" : String.join(", ", out);
    }

    static String bytes(long count) {
        double value = count;
        int unit = 0;
        while (value >= 1024 && unit < UNITS.length - 1) {
            value /= 1024;
            unit++;
        }
        return unit == 0 ? count + " B" : String.format(Locale.ROOT, "%.1f %s", value, UNITS[unit]);
    }

    private static String share(long part, long whole) {
        return whole == 0 ? "-" : String.format(Locale.ROOT, "%.1f %%", 100.0 * part / whole);
    }

    private static String time(long seconds) {
        return seconds < 3600
                ? seconds / 60 + "m" + seconds % 60 + "s"
                : seconds / 3600 + "h" + seconds % 3600 / 60 + "m";
    }
}
