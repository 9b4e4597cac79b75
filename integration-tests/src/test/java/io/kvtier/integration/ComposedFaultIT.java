package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.integration.FaultProxy.Direction;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Rows 12 and 24 of the fault matrix: wall clocks that jump, and random pairs of faults at once,
 * for {@code -Dchaos.minutes}. No byte is wrong, every failure has a type, two maps of one epoch
 * are the same, and when the faults are over all that was acknowledged is hit again.
 */
@Timeout(value = 90, unit = TimeUnit.MINUTES)
class ComposedFaultIT {
    private static final int NODES = 3;
    private static final int PROMPTS = 16;
    private static final int ROUNDS_MIN = 3;
    private static final int STROBES = 20;
    private static final long DAY_MILLIS = TimeUnit.DAYS.toMillis(1);
    private static final long FLIP_BYTES_MAX = 1 << 20;

    @TempDir Path folder;

    private final long seed = Long.getLong("chaos.seed", 1);
    private final Random random = new Random(seed);
    private final Map<Long, ClusterMap> told = new HashMap<>();
    private ClockShift clocks;

    /** What can be done to a node, and undone. */
    private enum Fault {
        KILLED,
        STOPPED,
        PAUSED,
        CLOCK_JUMPS,
        BIT_FLIPPED,
        CONNECTIONS_RESET,
        UNREACHABLE,
        MUTE,
        SLOW
    }

    @BeforeEach
    @SuppressWarnings("NullAway.Init") // JUnit calls it before all else
    void makeClocks() throws Exception {
        Optional<ClockShift> made = ClockShift.make(folder);
        Assumptions.assumeTrue(made.isPresent(), "there is a C compiler");
        clocks = made.orElseThrow();
    }

    @Test
    void row12_wallClockJumps_changesNothing() throws Exception {
        try (ClusterProcesses cluster = start();
                ClusterTraffic traffic = new ClusterTraffic(cluster, 2, seed)) {
            traffic.fill(PROMPTS);
            traffic.start(2);
            int node = cluster.leader();
            long epoch = epoch(cluster);
            for (long jump : new long[] {DAY_MILLIS, -DAY_MILLIS, 0}) {
                clocks.jump(node, jump);
                awaitGets(traffic, PROMPTS);
            }
            for (int i = 0; i < STROBES; i++) {
                clocks.jump(node, i % 2 == 0 ? 100 : -100);
                awaitGets(traffic, 1);
            }
            clocks.jump(node, 0);
            assertThat(clocks.wasSeen(node)).as("the node saw another time").isTrue();
            traffic.stop();
            ClusterTraffic.Tally during = traffic.tally();
            report("12 clock jumps", "epochs=" + (epoch(cluster) - epoch) + " " + during, traffic);
            assertThat(traffic.wrong()).isEmpty();
            assertThat(traffic.failures()).isEmpty();
            assertThat(during.ratio()).as("hits").isEqualTo(1);
        }
    }

    @Test
    void row24_randomPairsOfFaults_loseNothingAcknowledged() throws Exception {
        Map<Fault, Integer> done = new EnumMap<>(Fault.class);
        try (ClusterProcesses cluster = start();
                ClusterTraffic traffic = new ClusterTraffic(cluster, 2, seed)) {
            traffic.fill(PROMPTS);
            traffic.start(2);
            long end = System.nanoTime() + Duration.ofMinutes(minutes()).toNanos();
            for (int round = 0; round < ROUNDS_MIN || System.nanoTime() - end < 0; round++) {
                List<Fault> pair = List.of(any(), any());
                List<Integer> nodes = List.of(random.nextInt(NODES), random.nextInt(NODES));
                ClusterTraffic.Tally _ = traffic.tally();
                int failedBefore = traffic.failures().size();
                begin(cluster, pair.get(0), nodes.get(0));
                begin(cluster, pair.get(1), nodes.get(1));
                await().atMost(ClusterProcesses.PATIENCE)
                        .pollDelay(Duration.ofSeconds(3))
                        .until(() -> true);
                ClusterTraffic.Tally during = traffic.tally();
                end(cluster, pair.get(1), nodes.get(1));
                end(cluster, pair.get(0), nodes.get(0));
                cluster.awaitUp(NODES);
                compareMaps(cluster);
                ClusterTraffic.Tally after = traffic.readAll();
                int failed = traffic.failures().size() - failedBefore;
                report(
                        "24 " + pair + " at " + nodes,
                        "round=%d during=%s ratio=%.3f failed=%d after=%s"
                                .formatted(round, during, during.ratio(), failed, after),
                        traffic);
                assertThat(traffic.wrong()).as("%s, seed %d", pair, seed).isEmpty();
                pair.forEach(each -> done.merge(each, 1, Integer::sum));
            }
            traffic.stop();
            ClusterTraffic.Tally all = traffic.readAll();
            report("24 all", "faults=" + done + " after=" + all, traffic);
            assertThat(traffic.wrong()).as("wrong bytes").isEmpty();
            assertThat(all.ratio()).as("hits when all is over, seed %d", seed).isEqualTo(1);
        }
    }

    private static int minutes() {
        return Integer.getInteger("chaos.minutes", 1);
    }

    private Fault any() {
        return Fault.values()[random.nextInt(Fault.values().length)];
    }

    private void begin(ClusterProcesses cluster, Fault fault, int node) throws Exception {
        FaultProxy proxy = cluster.proxy(node);
        switch (fault) {
            case KILLED -> cluster.kill(node);
            case STOPPED -> {
                if (cluster.isAlive(node)) {
                    cluster.signal(node, "CONT"); // a paused process cannot end
                    assertThat(cluster.stop(node)).as("ends after SIGTERM").isTrue();
                }
            }
            case PAUSED -> {
                if (cluster.isAlive(node)) {
                    cluster.signal(node, "STOP");
                }
            }
            case CLOCK_JUMPS -> clocks.jump(node, random.nextBoolean() ? DAY_MILLIS : -DAY_MILLIS);
            case BIT_FLIPPED ->
                    proxy.plan(
                            new FaultProxy.Fault(
                                    FaultProxy.Kind.FLIP,
                                    Direction.values()[random.nextInt(2)],
                                    random.nextLong(FLIP_BYTES_MAX),
                                    random.nextInt(8)));
            case CONNECTIONS_RESET -> proxy.cutConnections();
            case UNREACHABLE -> proxy.swallow(Direction.UP, true);
            case MUTE -> proxy.swallow(Direction.DOWN, true);
            case SLOW -> proxy.delay(Direction.DOWN, Duration.ofMillis(50));
        }
    }

    private void end(ClusterProcesses cluster, Fault fault, int node) throws Exception {
        switch (fault) {
            case KILLED, STOPPED -> {
                if (!cluster.isAlive(node)) {
                    cluster.restart(node);
                }
            }
            case PAUSED -> {
                if (cluster.isAlive(node)) {
                    cluster.signal(node, "CONT");
                }
            }
            case CLOCK_JUMPS -> clocks.jump(node, 0);
            case BIT_FLIPPED, CONNECTIONS_RESET, UNREACHABLE, MUTE, SLOW ->
                    cluster.proxy(node).heal();
        }
    }

    private ClusterProcesses start() throws Exception {
        ClusterProcesses.Hosts hosts =
                new ClusterProcesses.Hosts() {
                    @Override
                    public Map<String, String> environment(int node) {
                        return clocks.environment(node);
                    }

                    @Override
                    public boolean isProxied() {
                        return true;
                    }
                };
        return ClusterProcesses.start(folder, NODES, 2, random, hosts);
    }

    /** Two maps of one epoch are the same map, whoever tells them. */
    private void compareMaps(ClusterProcesses cluster) {
        for (int node = 0; node < NODES; node++) {
            cluster.map(node)
                    .ifPresent(
                            map -> {
                                ClusterMap known = told.putIfAbsent(map.epoch(), map);
                                assertThat(known == null || known.equals(map))
                                        .as("two maps of epoch %d", map.epoch())
                                        .isTrue();
                            });
        }
    }

    private static long epoch(ClusterProcesses cluster) {
        return cluster.map().map(ClusterMap::epoch).orElse(-1L);
    }

    private static void awaitGets(ClusterTraffic traffic, int count) {
        long enough = traffic.gets() + count;
        await().atMost(ClusterProcesses.PATIENCE).until(() -> traffic.gets() >= enough);
    }

    private void report(String row, String figures, ClusterTraffic traffic) {
        System.out.printf(
                "chaos row='%s' %s %s%n  again: ./mvnw -pl integration-tests -am verify"
                        + " -Dtest=none -Dit.test=ComposedFaultIT -Dchaos.minutes=%d"
                        + " -Dchaos.seed=%d%n",
                row, figures, traffic, minutes(), seed);
    }
}
