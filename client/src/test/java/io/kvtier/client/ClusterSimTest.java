package io.kvtier.client;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.OperatingSystemMXBean;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.wire.Member;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.Test;

/**
 * A client, the client of {@code src/main}, against a virtual cluster: puts and gets while nodes
 * hang, die, come back and are lost. Each seed is a run of its own; {@code -Dsim.seed=N} replays
 * one alone, {@code -Dsim.seeds=N} sets how many there are.
 */
class ClusterSimTest {
    private static final int NODES = 4;
    private static final int COPIES = 2;
    private static final int CHUNKS_MAX = 9;
    private static final int OPERATIONS = 20;
    private static final int WORKERS = 2;
    private static final Duration CALL = Duration.ofSeconds(2);
    private static final long SLACK_NANOS = Duration.ofMillis(250).toNanos();
    private static final long MILLI = 1_000_000;
    private static final long END_NANOS = Duration.ofHours(1).toNanos();

    private static int seeds() {
        return Integer.getInteger("sim.seeds", 2_000);
    }

    @Test
    void anySeed_isNeverWrongNeverLateAndLosesNothingAcknowledged() throws Exception {
        long first = Long.getLong("sim.seed", 1);
        int count = Long.getLong("sim.seed") == null ? seeds() : 1;
        OperatingSystemMXBean system =
                (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long cpu = system.getProcessCpuTime();
        Totals totals = new Totals();
        Throwable[] failure = new Throwable[1];
        Thread all =
                Thread.ofVirtual()
                        .start(
                                () -> {
                                    for (long seed = first; seed < first + count; seed++) {
                                        try {
                                            new Run(seed, totals).run();
                                        } catch (RuntimeException | Error e) {
                                            failure[0] = new AssertionError(again(seed), e);
                                            return;
                                        }
                                    }
                                });
        all.join();
        if (failure[0] != null) {
            throw new AssertionError(failure[0].getMessage(), failure[0].getCause());
        }
        System.out.printf(
                "simulated seeds=%d puts=%d gets=%d hitChunks=%d of=%d longestVirtualMillis=%d"
                        + " cpuSeconds=%.1f%n",
                count,
                totals.puts,
                totals.gets,
                totals.hits,
                totals.expected,
                totals.longestNanos / MILLI,
                (system.getProcessCpuTime() - cpu) * 1e-9);
        assertThat(totals.hits).isPositive();
    }

    /** The same seed twice is the same run, or a seed would be of no use. */
    @Test
    void oneSeed_twice_isTheSameRun() throws Exception {
        List<String> runs = new ArrayList<>();
        Thread both =
                Thread.ofVirtual()
                        .start(
                                () -> {
                                    for (int i = 0; i < 2; i++) {
                                        Totals totals = new Totals();
                                        new Run(77, totals).run();
                                        runs.add(totals.toString());
                                    }
                                });
        both.join();
        assertThat(runs).hasSize(2);
        assertThat(runs.get(0)).isEqualTo(runs.get(1));
    }

    private static String again(long seed) {
        return "seed "
                + seed
                + "; again: ./mvnw -pl client -am test -Dtest=ClusterSimTest"
                + " -Dsim.seed="
                + seed;
    }

    private static final class Totals {
        long puts;
        long gets;
        long hits;
        long expected;
        long longestNanos;

        @Override
        public String toString() {
            return puts + " " + gets + " " + hits + " " + expected + " " + longestNanos;
        }
    }

    /** One seed. */
    private static final class Run {
        private final Totals totals;
        private final SplittableRandom random;
        private final VirtualTasks time = new VirtualTasks();
        private final VirtualCluster cluster;
        private final List<Integer> acknowledged = new ArrayList<>();
        private final Map<Integer, List<byte[]>> put = new HashMap<>();
        private final long seed;
        private int prompts;
        private int working = WORKERS;

        Run(long seed, Totals totals) {
            this.seed = seed;
            this.totals = totals;
            this.random = new SplittableRandom(seed);
            this.cluster = new VirtualCluster(time, random.split(), NODES, COPIES);
        }

        void run() {
            if (random.nextInt(4) == 0) {
                cluster.flipOneIn(20);
            }
            try (ExecutorService none = Executors.newVirtualThreadPerTaskExecutor()) {
                KvtierClient client =
                        new KvtierClient(
                                cluster.endpoints(),
                                ClientOptions.defaults(),
                                new KvtierClient.Surroundings(
                                        time,
                                        time,
                                        none,
                                        new RootAllocator(1 << 20),
                                        cluster::connect));
                for (int worker = 0; worker < WORKERS; worker++) {
                    SplittableRandom own = random.split();
                    Tasks.Task _ = time.start(() -> work(client, own));
                }
                Tasks.Task _ = time.start(() -> harm(random.split()));
                time.run(END_NANOS);
                Tasks.Task _ = time.start(() -> loseOneNode(client));
                time.run(END_NANOS);
                Tasks.Task _ = time.start(client::close);
                time.run(END_NANOS);
            }
        }

        private void work(KvtierClient client, SplittableRandom own) {
            for (int i = 0; i < OPERATIONS; i++) {
                if (acknowledged.isEmpty() || own.nextInt(3) == 0) {
                    put(client);
                } else {
                    int _ = get(client, acknowledged.get(own.nextInt(acknowledged.size())));
                }
                time.pause(own.nextLong(200 * MILLI));
            }
            working--;
        }

        /** One node at a time hangs or dies, and comes back; the voters learn of it, or do not. */
        private void harm(SplittableRandom own) {
            while (working > 0) {
                time.pause(own.nextLong(800 * MILLI));
                int victim = own.nextInt(NODES);
                VirtualCluster.Node node = cluster.node(victim);
                boolean dies = own.nextBoolean();
                boolean known = own.nextBoolean();
                if (dies) {
                    node.kill();
                } else {
                    node.state = VirtualCluster.State.HUNG;
                }
                if (known) {
                    time.pause(own.nextLong(1000 * MILLI));
                    cluster.agree(victim, Member.State.DOWN);
                }
                time.pause(own.nextLong(4000 * MILLI));
                node.state = VirtualCluster.State.UP;
                if (known) {
                    cluster.agree(victim, Member.State.UP);
                }
                time.pause(own.nextLong(1000 * MILLI));
            }
        }

        /** Whichever node is lost for good: once the map says so, all with two copies is hit. */
        private void loseOneNode(KvtierClient client) {
            cluster.flipOneIn(0);
            int lost = random.nextInt(NODES);
            cluster.node(lost).wipe();
            cluster.agree(lost, Member.State.DOWN);
            if (acknowledged.isEmpty()) {
                return;
            }
            long epoch = cluster.epoch();
            while (client.map(client.within(CALL)).epoch() < epoch) {
                time.pause(200 * MILLI); // until then a miss is allowed
            }
            for (int prompt : acknowledged) {
                assertThat(get(client, prompt))
                        .as("chunks of prompt %d, node %d lost", prompt, lost)
                        .isEqualTo(chunks(prompt));
            }
        }

        private void put(KvtierClient client) {
            int prompt = prompts++;
            List<byte[]> frames = SimFrames.of(tokens(prompt), seed * 1000 + prompt * 16L);
            put.put(prompt, frames);
            Deadline deadline = client.within(CALL);
            long start = time.nanoTime();
            List<PutReply> replies =
                    client.put(
                            SimFrames.NAMESPACE,
                            frames.stream().map(MemorySegment::ofArray).toList(),
                            PutOptions.of(Persistence.DISK).withCopies(COPIES),
                            deadline);
            assertInTime(start);
            totals.puts++;
            if (replies.stream().allMatch(reply -> reply.copies() >= COPIES)) {
                acknowledged.add(prompt);
            }
        }

        private int get(KvtierClient client, int prompt) {
            Deadline deadline = client.within(CALL);
            long start = time.nanoTime();
            try {
                Match match = client.match(SimFrames.NAMESPACE, tokens(prompt), deadline);
                Comparing sink = new Comparing(java.util.Objects.requireNonNull(put.get(prompt)));
                Delivery delivery = client.open(match, deadline, StreamOptions.defaults(), sink);
                totals.gets++;
                totals.expected += chunks(prompt);
                totals.hits += delivery.delivered();
                return delivery.delivered();
            } catch (KvtierException e) {
                throw new AssertionError("a get with three nodes up failed", e);
            } finally {
                assertInTime(start);
            }
        }

        private void assertInTime(long start) {
            long nanos = time.nanoTime() - start;
            totals.longestNanos = Math.max(totals.longestNanos, nanos);
            assertThat(nanos).isLessThanOrEqualTo(CALL.toNanos() + SLACK_NANOS);
        }

        private int chunks(int prompt) {
            return 1 + (int) ((seed + prompt) % CHUNKS_MAX);
        }

        private int[] tokens(int prompt) {
            return SimFrames.tokens(chunks(prompt), seed * 1000 + prompt);
        }
    }

    /** Every byte that comes is the one that was put. */
    private record Comparing(List<byte[]> frames) implements SegmentSink {
        @Override
        public void begin(int chunk, FrameHeader header) {
            byte[] head = header.toBytes();
            assertThat(head).isEqualTo(Arrays.copyOf(frames.get(chunk), head.length));
        }

        @Override
        public void segment(int chunk, int segment, MemorySegment bytes) {
            FrameHeader header = SimFrames.header(frames.get(chunk));
            long from = header.offset(segment);
            MemorySegment put =
                    MemorySegment.ofArray(frames.get(chunk)).asSlice(from, bytes.byteSize());
            assertThat(bytes.mismatch(put)).as("chunk %d", chunk).isEqualTo(-1);
        }
    }
}
