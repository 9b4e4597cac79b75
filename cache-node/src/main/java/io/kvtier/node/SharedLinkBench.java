package io.kvtier.node;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.client.link.ThrottlingProxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Eight readers at once, each with a connection of its own, over one link of 200 Mbit/s. */
final class SharedLinkBench {
    private static final int READERS = 8;
    private static final int MEGABITS = 200;

    /** All bases take 240 ms, everything 580: not all of it comes, and every base can. */
    private static final int EQUAL_MILLIS = 450;

    /** Of the reader that is in the greatest hurry, and how much later the next one is. */
    private static final int FIRST_MILLIS = 300;

    private static final int NEXT_MILLIS = 100;

    private final StreamBenchNode node;
    private final List<Round> equal = new ArrayList<>();
    private final List<Round> spread = new ArrayList<>();

    private record Round(List<Delivery> deliveries) {
        double attained() {
            long met = deliveries.stream().filter(each -> each.delivered() == each.hit()).count();
            return (double) met / deliveries.size();
        }

        /** Jain's index of the bytes received. */
        double jain() {
            double sum = deliveries.stream().mapToDouble(Delivery::bytes).sum();
            double squares =
                    deliveries.stream()
                            .mapToDouble(each -> (double) each.bytes() * each.bytes())
                            .sum();
            return sum * sum / (squares * deliveries.size());
        }
    }

    /**
     * Means over the rounds.
     *
     * @param attainedEqual share of streams with every chunk in time, deadlines alike
     * @param jainEqual Jain's index of the bytes that these received
     * @param attainedSpread share in time of deadlines that lie apart
     */
    record Shares(double attainedEqual, double jainEqual, double attainedSpread) {}

    private SharedLinkBench(StreamBenchNode node) {
        this.node = node;
    }

    /** Runs rounds of both kinds, after one that does not count. */
    static Shares run(StreamBenchNode node, int rounds) {
        SharedLinkBench bench = new SharedLinkBench(node);
        for (int round = 0; round <= rounds; round++) {
            Round alike = bench.round(_ -> EQUAL_MILLIS);
            Round apart = bench.round(reader -> FIRST_MILLIS + NEXT_MILLIS * reader);
            if (round > 0) {
                bench.equal.add(alike);
                bench.spread.add(apart);
            }
        }
        return new Shares(
                bench.equal.stream().mapToDouble(Round::attained).average().orElse(0),
                bench.equal.stream().mapToDouble(Round::jain).average().orElse(0),
                bench.spread.stream().mapToDouble(Round::attained).average().orElse(0));
    }

    private interface Deadlines {
        int millis(int reader);
    }

    private Round round(Deadlines deadlines) {
        List<KvtierClient> clients = new ArrayList<>();
        try (ThrottlingProxy proxy = ThrottlingProxy.start(node.port(), MEGABITS, Duration.ZERO);
                ExecutorService threads = Executors.newFixedThreadPool(READERS)) {
            List<Callable<Delivery>> readers = new ArrayList<>();
            for (int i = 0; i < READERS; i++) {
                KvtierClient client =
                        KvtierClient.connect(proxy.endpoint(), ClientOptions.defaults());
                clients.add(client);
                Match match = node.matchSample(client);
                int millis = deadlines.millis(i);
                readers.add(
                        () ->
                                client.open(
                                        match,
                                        client.within(Duration.ofMillis(millis)),
                                        StreamOptions.defaults(),
                                        StreamBenchNode.DROP));
            }
            List<Delivery> out = new ArrayList<>();
            for (Future<Delivery> delivery : threads.invokeAll(readers)) {
                out.add(delivery.get());
            }
            return new Round(out);
        } catch (ExecutionException e) {
            throw new IllegalStateException("a reader failed", e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while readers run", e);
        } finally {
            clients.forEach(KvtierClient::close);
        }
    }
}
