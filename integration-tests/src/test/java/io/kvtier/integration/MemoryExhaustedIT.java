package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.wire.Persistence;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Row 19 of the fault matrix: many large puts and gets at once at a node with little direct memory.
 * Whatever does not fit is refused with a type, nothing that comes is wrong, the node lives, and
 * afterwards it serves and holds nothing but its hot tier.
 */
@Timeout(300)
class MemoryExhaustedIT {
    private static final int CLIENTS = 4;
    private static final int CALLS = 64;
    private static final int CHUNKS = 40; // 3.8 MB
    private static final int PROMPTS = 8;
    private static final Duration CALL = Duration.ofSeconds(30);
    private static final String LIMITS =
            "limits: {inFlightBytes: 48MiB, streamBytes: 16MiB, messageBytes: 8MiB}\n";

    /**
     * What gRPC gathers of messages is outside of the limits: it ends connections, not the node.
     */
    private static final Set<String> EXPECTED =
            Set.of(
                    "put",
                    "putOverloadedException",
                    "putUnavailableException",
                    "get" + Delivery.Cut.NONE,
                    "get" + Delivery.Cut.OVERLOADED,
                    "get" + Delivery.Cut.CONNECTION,
                    "get" + Delivery.Cut.DEADLINE,
                    "get" + Delivery.Cut.LINK,
                    "getOverloadedException",
                    "getUnavailableException");

    @TempDir Path folder;

    private final long seed = Long.getLong("chaos.seed", 1);
    private final Map<String, AtomicInteger> outcomes = new ConcurrentHashMap<>();

    @Test
    void row19_moreAtOnceThanDirectMemory_isRefusedAndTheNodeLives() throws Exception {
        List<KvtierClient> clients = new ArrayList<>();
        Map<String, String> little =
                Map.of("JDK_JAVA_OPTIONS", "-Xmx192m -XX:MaxDirectMemorySize=64m");
        try (CommandProcess node = CommandProcess.startWith(folder, LIMITS, little);
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < CLIENTS; i++) {
                clients.add(KvtierClient.connect(node.endpoint(), ClientOptions.defaults()));
            }
            run(threads, call -> put(clients.get(call % CLIENTS), call));
            try (KvtierClient one =
                    KvtierClient.connect(node.endpoint(), ClientOptions.defaults())) {
                await().atMost(Duration.ofSeconds(60)).until(() -> outstanding(one) == 0);
                for (int prompt = CALLS; prompt < CALLS + PROMPTS; prompt++) {
                    put(one, prompt);
                }
                run(threads, call -> get(clients.get(call % CLIENTS), CALLS + call % PROMPTS));
                await().atMost(Duration.ofSeconds(60)).until(() -> outstanding(one) == 0);
                assertThat(get(one, CALLS)).as("chunks that come afterwards").isEqualTo(CHUNKS);
            }
            assertThat(outcomes.keySet()).isSubsetOf(EXPECTED);
            clients.forEach(KvtierClient::close); // fails when anything leaked
            assertThat(node.stop()).isTrue();
        } finally {
            System.out.printf(
                    "chaos row=19 outcomes=%s seed=%d%n  again: ./mvnw -pl integration-tests -am"
                            + " verify -Dtest=none -Dit.test=MemoryExhaustedIT -Dchaos.seed=%d%n",
                    outcomes, seed, seed);
        }
        assertThat(Files.readAllLines(folder.resolve("node.log")))
                .noneMatch(line -> line.contains(" ERROR ")); // gRPC warns of memory on its own
    }

    private interface Call {
        void run(int number);
    }

    private static void run(ExecutorService threads, Call call) throws Exception {
        List<Future<?>> all = new ArrayList<>();
        for (int i = 0; i < CALLS; i++) {
            int number = i;
            all.add(threads.submit(() -> call.run(number)));
        }
        for (Future<?> each : all) {
            each.get(); // nothing but what the calls themselves expect may be thrown
        }
    }

    private void put(KvtierClient client, int prompt) {
        List<MemorySegment> frames =
                StoredFrames.encoding(tokens(prompt), prompt).stream()
                        .map(MemorySegment::ofArray)
                        .toList();
        try {
            boolean all =
                    client
                            .put(
                                    StoredFrames.NAMESPACE,
                                    frames,
                                    Persistence.MEMORY,
                                    client.within(CALL))
                            .stream()
                            .allMatch(reply -> reply.copies() == 1);
            count(all ? "put" : "putInPart");
        } catch (KvtierException e) {
            count("put" + e.getClass().getSimpleName());
        }
    }

    private int get(KvtierClient client, int prompt) {
        List<byte[]> frames = StoredFrames.encoding(tokens(prompt), prompt);
        try {
            var deadline = client.within(CALL);
            Match match = client.match(StoredFrames.NAMESPACE, tokens(prompt), deadline);
            SwitchingSink sink = new SwitchingSink(-1, () -> {});
            Delivery delivery = client.open(match, deadline, StreamOptions.defaults(), sink);
            int _ = sink.assertSound(delivery, frames, frames);
            count("get" + delivery.end());
            return delivery.delivered();
        } catch (KvtierException e) {
            count("get" + e.getClass().getSimpleName());
            return 0;
        }
    }

    /** Bytes of the pool that are not the hot tier's. */
    private static long outstanding(KvtierClient client) throws Exception {
        JsonNode stats = new ObjectMapper().readTree(client.stats(client.within(CALL)));
        JsonNode hot = stats.get("store").get("tiers").get(0);
        assertThat(hot.get("name").asText()).isEqualTo("hot");
        return Math.max(0, stats.get("poolOutstandingBytes").asLong() - hot.get("bytes").asLong())
                + stats.get("tickets").asLong();
    }

    private void count(String outcome) {
        outcomes.computeIfAbsent(outcome, _ -> new AtomicInteger()).incrementAndGet();
    }

    private int[] tokens(int prompt) {
        return StoredFrames.tokens(CHUNKS, seed * 1_000_003 + prompt);
    }
}
