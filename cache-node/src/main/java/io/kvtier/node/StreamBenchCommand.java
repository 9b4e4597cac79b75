package io.kvtier.node;

import static io.kvtier.codec.error.InvalidRequestException.check;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvtier.client.NanoClock;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.node.transfer.Meter;
import io.kvtier.node.transfer.PlainTcp;
import io.kvtier.node.transfer.RedisSocket;
import io.kvtier.node.transfer.TransferRow;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier bench stream}: what streams cost on loopback. */
@Command(
        name = "stream",
        description = {
            "Stream from a node on loopback: processor time of both ends for a GB in 4 MiB",
            "segments, beside plain TCP and a Redis server; the time of a request of 64 KiB; and",
            "what eight readers get of one link of 200 Mbit/s."
        },
        mixinStandardHelpOptions = true)
final class StreamBenchCommand implements Callable<Integer> {
    private static final int VALUE_BYTES = 4 << 20;
    private static final int REQUESTS_WARM_UP = 300;

    @Option(
            names = "--megabytes",
            paramLabel = "MB",
            defaultValue = "1024",
            description = "To move in each round (default: ${DEFAULT-VALUE}).")
    private int megabytes;

    @Option(
            names = "--rounds",
            paramLabel = "COUNT",
            defaultValue = "3",
            description =
                    "Counted, after one that is not; the rows take turns"
                            + " (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(
            names = "--requests",
            paramLabel = "COUNT",
            defaultValue = "1000",
            description = "Of 64 KiB, each way (default: ${DEFAULT-VALUE}).")
    private int requests;

    @Option(
            names = "--redis",
            paramLabel = "HOST:PORT",
            description = "Read 4 MiB values of this server, too; key kvtier:bench is set.")
    private String redis = "";

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    private final NanoClock clock = NanoClock.system();
    private final Meter meter = new Meter(clock);

    /**
     * Of many requests.
     *
     * @param p50Micros over the persistent exchange
     * @param doGetP50Micros by a call of its own each
     */
    private record Latency(double p50Micros, double doGetP50Micros) {
        double ratio() {
            return p50Micros / doGetP50Micros;
        }
    }

    @Override
    public Integer call() throws IOException {
        check(megabytes >= 32 && megabytes <= 65_536, "--megabytes", megabytes, "32..65536");
        check(rounds >= 1 && rounds <= 100, "--rounds", rounds, "1..100");
        check(requests >= 10 && requests <= 1_000_000, "--requests", requests, "10..1000000");
        try (TemporaryFolder folder = TemporaryFolder.create("kvtier-stream");
                StreamBenchNode node = StreamBenchNode.start(folder.path())) {
            List<TransferRow> rows = transfers(node);
            Latency latency = latency(node);
            SharedLinkBench.Shares shares = SharedLinkBench.run(node, rounds);
            System.out.println(json ? json(rows, latency, shares) : table(rows, latency, shares));
        }
        return ExitCode.OK;
    }

    /** The median round of each row by processor time. */
    private List<TransferRow> transfers(StreamBenchNode node) throws IOException {
        long bytes = (long) megabytes << 20;
        List<List<TransferRow>> all = new ArrayList<>();
        try (RedisValues values = RedisValues.open(redis)) {
            for (int round = 0; round <= rounds; round++) {
                List<TransferRow> rows = new ArrayList<>();
                rows.add(meter.measure("kvtier, 4 MiB segments", () -> node.streamLarge(bytes)));
                rows.add(meter.measure("plain TCP", () -> PlainTcp.move(bytes)));
                values.measure(meter, bytes, rows);
                long decoded = node.sampleDecodedBytes(bytes);
                rows.add(
                        meter.measure(
                                "kvtier, every rung",
                                decoded,
                                () -> node.streamSample(bytes),
                                () -> 0));
                if (round > 0) {
                    all.add(rows);
                }
            }
        }
        List<TransferRow> out = new ArrayList<>();
        for (int row = 0; row < all.getFirst().size(); row++) {
            int index = row;
            List<TransferRow> of =
                    all.stream()
                            .map(rows -> rows.get(index))
                            .sorted(
                                    java.util.Comparator.comparingDouble(
                                            TransferRow::cpuSecondsPerGb))
                            .toList();
            out.add(of.get(of.size() / 2));
        }
        return out;
    }

    /** One request after the other, both ways in turns. */
    private Latency latency(StreamBenchNode node) {
        long[] exchange = new long[requests];
        long[] call = new long[requests];
        for (int i = -REQUESTS_WARM_UP; i < requests; i++) {
            long one = timed(node::streamSmall);
            long other = timed(node::getSmall);
            if (i >= 0) {
                exchange[i] = one;
                call[i] = other;
            }
        }
        Arrays.sort(exchange);
        Arrays.sort(call);
        return new Latency(exchange[requests / 2] / 1e3, call[requests / 2] / 1e3);
    }

    private long timed(Supplier<Long> request) {
        long start = clock.nanoTime();
        long bytes = request.get();
        if (bytes < StreamBenchNode.SMALL_BYTES) {
            throw new CommandException(ExitCode.INTERNAL, "a request brought " + bytes + " bytes");
        }
        return clock.nanoTime() - start;
    }

    private static String json(
            List<TransferRow> rows, Latency latency, SharedLinkBench.Shares shares) {
        ObjectNode root = new ObjectMapper().createObjectNode();
        for (TransferRow row : rows) {
            ObjectNode out = root.withArray("transfers").addObject();
            out.put("name", row.name()).put("bytes", row.bytes());
            out.put("cpuSecondsPerGb", round(row.cpuSecondsPerGb()));
            out.put("wireGbPerSecond", round(row.wireGbPerSecond()));
            out.put("effectiveGbPerSecond", round(row.effectiveGbPerSecond()));
        }
        ObjectNode requests = root.putObject("requestsOf64KiB");
        requests.put("exchangeP50Micros", round(latency.p50Micros()));
        requests.put("doGetP50Micros", round(latency.doGetP50Micros()));
        requests.put("ratio", round(latency.ratio()));
        ObjectNode readers = root.putObject("eightReadersAt200Mbit");
        readers.put("attainedEqualDeadlines", round(shares.attainedEqual()));
        readers.put("jainEqualDeadlines", round(shares.jainEqual()));
        readers.put("attainedSpreadDeadlines", round(shares.attainedSpread()));
        return root.toString();
    }

    private static double round(double value) {
        return Math.round(value * 1000) / 1000.0;
    }

    private static String table(
            List<TransferRow> rows, Latency latency, SharedLinkBench.Shares shares) {
        StringBuilder out = new StringBuilder();
        out.append(
                String.format(
                        "%-24s %12s %12s %16s%n",
                        "transfer", "CPU s / GB", "wire GB/s", "as fp16, GB/s"));
        for (TransferRow row : rows) {
            out.append(
                    String.format(
                            Locale.ROOT,
                            "%-24s %12.3f %12.3f %16.3f%n",
                            row.name(),
                            row.cpuSecondsPerGb(),
                            row.wireGbPerSecond(),
                            row.effectiveGbPerSecond()));
        }
        return out
                + String.format(
                        Locale.ROOT,
                        "64 KiB, median: %.0f µs over the exchange, %.0f µs by a DoGet each (%.2f)"
                                + "%n8 readers on 200 Mbit/s: %.0f %% in time, Jain's index %.3f;"
                                + " with deadlines apart %.0f %% in time",
                        latency.p50Micros(),
                        latency.doGetP50Micros(),
                        latency.ratio(),
                        100 * shares.attainedEqual(),
                        shares.jainEqual(),
                        100 * shares.attainedSpread());
    }

    /** Values of a Redis server, if there is one. */
    private record RedisValues(List<RedisSocket> socket) implements AutoCloseable {
        private static final String KEY = "kvtier:bench";

        static RedisValues open(String endpoint) throws IOException {
            if (endpoint.isEmpty()) {
                return new RedisValues(List.of());
            }
            int colon = endpoint.lastIndexOf(':');
            try {
                int port = Integer.parseInt(endpoint.substring(colon + 1));
                RedisSocket socket = new RedisSocket(endpoint.substring(0, colon), port);
                socket.set(KEY, new byte[VALUE_BYTES]);
                return new RedisValues(List.of(socket));
            } catch (NumberFormatException | StringIndexOutOfBoundsException e) {
                throw new InvalidRequestException(
                        "--redis is '" + endpoint + "', expected HOST:PORT");
            }
        }

        void measure(Meter meter, long bytes, List<TransferRow> rows) throws IOException {
            for (RedisSocket redis : socket) {
                rows.add(
                        meter.measure(
                                "Redis, 4 MiB values",
                                0,
                                () -> {
                                    long got = 0;
                                    while (got < bytes) {
                                        got += redis.get(KEY);
                                    }
                                    return got;
                                },
                                redis::cpuSeconds));
            }
        }

        @Override
        public void close() throws IOException {
            for (RedisSocket redis : socket) {
                redis.delete(KEY);
                redis.close();
            }
        }
    }
}
