package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.PutOptions;
import io.kvtier.client.StreamOptions;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.integration.FaultProxy.Direction;
import io.kvtier.integration.FaultProxy.Fault;
import io.kvtier.integration.FaultProxy.Kind;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Rows 15 and 16 of the fault matrix: a wire that cuts, flips, loses, repeats and reorders bytes,
 * and puts that come twice. What the node holds afterwards is whole or absent, what a reader gets
 * is what was put, and every failure has a type. Times are printed, not judged.
 */
@Timeout(600)
class WireFaultIT {
    private static final Duration CALL = Duration.ofSeconds(1);
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final long SLACK_MILLIS = 250;
    private static final int CHUNKS = 2;
    private static final int PARTS = 4;
    private static final int BYTES_MAX = 220_000;
    private static final int ROUNDS = 100;
    private static final int RETRIES = 45;

    @TempDir Path folder;

    private final long seed = Long.getLong("chaos.seed", 1);
    private final int scale = Integer.getInteger("chaos.scale", 1);
    private final Random random = new Random(seed);

    /** What came of calls through the proxy. */
    private static final class Tally {
        final Map<Kind, Integer> done = new EnumMap<>(Kind.class);
        int calls;
        int failed;
        int late;
        long longestMillis;
    }

    @Test
    void row15_bytesHarmedOnTheWire_neverMakeAWrongOrPartialChunk() throws Exception {
        Tally tally = new Tally();
        try (CommandProcess node = CommandProcess.start(folder, "log");
                KvtierClient direct = connect(node.endpoint());
                FaultProxy proxy = FaultProxy.start("127.0.0.1", port(node))) {
            int[] known = tokens(-1);
            List<byte[]> knownFrames = StoredFrames.encoding(known, -1);
            List<PutReply> _ = put(direct, knownFrames, PATIENCE);
            for (int round = 0; round < ROUNDS * scale; round++) {
                Fault fault = fault();
                proxy.heal();
                proxy.plan(fault);
                boolean acknowledged = false;
                try (KvtierClient harmed = connect(proxy.endpoint())) {
                    if (round % 2 == 0) {
                        acknowledged = putThrough(harmed, round, tally);
                    } else {
                        readThrough(harmed, known, knownFrames, tally);
                    }
                    proxy.cutConnections();
                    await().atMost(PATIENCE).until(() -> harmed.heldBytes() == 0);
                }
                if (proxy.hasDone(fault.direction())) {
                    tally.done.merge(fault.kind(), 1, Integer::sum);
                }
                if (round % 2 == 0) {
                    assertWholeOrAbsent(direct, round, acknowledged, fault);
                }
            }
            assertThat(read(direct, known, knownFrames)).as("after all faults").isEqualTo(CHUNKS);
            assertThat(tally.done).as("kinds of faults that were done").hasSize(7);
            assertThat(node.stop()).isTrue();
        }
        assertSoundStore();
        report("row15_bytesHarmedOnTheWire_neverMakeAWrongOrPartialChunk", tally);
    }

    @Test
    void row16_putsThatComeTwice_leaveOneCopyOfTheFirst() throws Exception {
        Tally tally = new Tally();
        int others = 0;
        try (CommandProcess node = CommandProcess.start(folder, "log");
                KvtierClient direct = connect(node.endpoint());
                FaultProxy proxy = FaultProxy.start("127.0.0.1", port(node));
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int round = 0; round < RETRIES * scale; round++) {
                List<byte[]> frames = StoredFrames.encoding(tokens(round), round);
                switch (round % 3) {
                    case 0 -> {
                        Future<List<PutReply>> twin =
                                threads.submit(() -> put(direct, frames, PATIENCE));
                        List<PutReply> mine = put(direct, frames, PATIENCE);
                        assertOnce(mine, twin.get());
                    }
                    case 1 -> { // the acknowledgement is lost, so the client tries again
                        proxy.heal();
                        try (KvtierClient deaf = connect(proxy.endpoint())) {
                            boolean _ = putThrough(deaf, round, tally);
                            proxy.swallow(Direction.DOWN, true);
                            assertThat(putThrough(deaf, round, tally)).as("heard").isFalse();
                            proxy.cutConnections();
                            await().atMost(PATIENCE).until(() -> deaf.heldBytes() == 0);
                        }
                        assertThat(put(direct, frames, PATIENCE))
                                .extracting(PutReply::status)
                                .containsOnly(PutReply.Status.ALREADY_PRESENT);
                    }
                    default -> {
                        List<PutReply> _ = put(direct, frames, PATIENCE);
                        List<byte[]> second = StoredFrames.encoding(tokens(round), -round);
                        assertThat(put(direct, second, PATIENCE))
                                .extracting(PutReply::status)
                                .containsOnly(PutReply.Status.KEPT_OTHER);
                        others += CHUNKS;
                    }
                }
                assertThat(read(direct, tokens(round), frames)).isEqualTo(CHUNKS);
            }
            String stats = direct.stats(direct.within(PATIENCE));
            assertThat(stats).as("conflicts are counted").contains("\"keptOther\":" + others);
            assertThat(node.stop()).isTrue();
        }
        assertSoundStore();
        report("row16_putsThatComeTwice_leaveOneCopyOfTheFirst", tally);
    }

    private Fault fault() {
        Kind kind = Kind.values()[random.nextInt(Kind.values().length)];
        Direction direction = Direction.values()[random.nextInt(2)];
        // Half of them where the connection and the call begin, half anywhere.
        int at = random.nextInt(random.nextBoolean() ? 2000 : BYTES_MAX);
        return new Fault(kind, direction, at, random.nextInt(8));
    }

    private boolean putThrough(KvtierClient client, long prompt, Tally tally) {
        long start = System.nanoTime();
        try {
            List<byte[]> frames = StoredFrames.encoding(tokens(prompt), prompt);
            return put(client, frames, CALL).stream()
                    .allMatch(reply -> reply.durability() == Persistence.DISK);
        } catch (KvtierException e) {
            tally.failed++;
            return false;
        } finally {
            time(tally, start);
        }
    }

    private void readThrough(KvtierClient client, int[] prompt, List<byte[]> frames, Tally tally) {
        long start = System.nanoTime();
        try {
            int _ = read(client, prompt, frames, CALL);
        } catch (KvtierException e) {
            tally.failed++;
        } finally {
            time(tally, start);
        }
    }

    private static void time(Tally tally, long start) {
        long millis = (System.nanoTime() - start) / 1_000_000;
        tally.calls++;
        tally.late += millis > CALL.toMillis() + SLACK_MILLIS ? 1 : 0;
        tally.longestMillis = Math.max(tally.longestMillis, millis);
    }

    /** What lies on the node is all that was put, or nothing; what was acknowledged is there. */
    private void assertWholeOrAbsent(
            KvtierClient direct, long prompt, boolean acknowledged, Fault fault) {
        int[] tokens = tokens(prompt);
        Match match = direct.match(StoredFrames.NAMESPACE, tokens, direct.within(PATIENCE));
        assertThat(match.chunks())
                .as("%s, seed %d", fault, seed)
                .extracting(ChunkDirectory::partsHeld)
                .allMatch(parts -> parts == PARTS);
        int came = read(direct, tokens, StoredFrames.encoding(tokens, prompt));
        assertThat(came).isEqualTo(match.chunks().size());
        if (acknowledged) {
            assertThat(came).as("acknowledged, %s, seed %d", fault, seed).isEqualTo(CHUNKS);
        }
    }

    private static void assertOnce(List<PutReply> a, List<PutReply> b) {
        for (int i = 0; i < a.size(); i++) {
            assertThat(List.of(a.get(i).status(), b.get(i).status()))
                    .containsExactlyInAnyOrder(
                            PutReply.Status.STORED, PutReply.Status.ALREADY_PRESENT);
        }
    }

    private static int read(KvtierClient client, int[] prompt, List<byte[]> frames) {
        return read(client, prompt, frames, PATIENCE);
    }

    /** Chunks that came, every byte of which is compared. */
    private static int read(KvtierClient client, int[] prompt, List<byte[]> frames, Duration time) {
        var deadline = client.within(time);
        Match match = client.match(StoredFrames.NAMESPACE, prompt, deadline);
        SwitchingSink sink = new SwitchingSink(-1, () -> {});
        Delivery delivery = client.open(match, deadline, StreamOptions.defaults(), sink);
        int _ = sink.assertSound(delivery, frames, frames);
        return delivery.delivered();
    }

    private static List<PutReply> put(KvtierClient client, List<byte[]> frames, Duration time) {
        return client.put(
                StoredFrames.NAMESPACE,
                frames.stream().map(MemorySegment::ofArray).toList(),
                PutOptions.of(Persistence.DISK),
                client.within(time));
    }

    private void assertSoundStore() throws Exception {
        CommandProcess.Result check =
                CommandProcess.run(folder, "check", folder.resolve("data").toString());
        assertThat(check.exitCode()).as(check.output()).isZero();
        assertThat(Files.readAllLines(folder.resolve("node.log")))
                .as("ERROR in the node's log")
                .noneMatch(line -> line.contains(" ERROR "));
    }

    private int[] tokens(long prompt) {
        return StoredFrames.tokens(CHUNKS, seed * 1_000_003 + prompt);
    }

    private static KvtierClient connect(String endpoint) {
        return KvtierClient.connect(endpoint, ClientOptions.defaults());
    }

    private static int port(CommandProcess node) {
        return Integer.parseInt(node.endpoint().substring(node.endpoint().lastIndexOf(':') + 1));
    }

    private void report(String row, Tally tally) {
        System.out.printf(
                "chaos row=%s calls=%d failed=%d late=%d longestMillis=%d faults=%s seed=%d%n"
                        + "  again: ./mvnw -pl integration-tests -am verify -Dtest=none"
                        + " -Dit.test=WireFaultIT#%s -Dchaos.seed=%d%n",
                row,
                tally.calls,
                tally.failed,
                tally.late,
                tally.longestMillis,
                tally.done,
                seed,
                row,
                seed);
    }
}
