package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.kvtier.codec.wire.ClusterMap;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/**
 * What {@link PartitionIT} runs at the clients' place of its lab: a cluster of three voters, one at
 * each other place, puts and gets, and episodes of cut cables.
 */
final class PartitionScenario {
    private static final int NODES = 3;
    private static final int CLIENTS = NODES;
    private static final int PROMPTS = 12;
    private static final Duration AWAY = Duration.ofSeconds(8);
    private static final double HITS_MIN = 0.99;

    private final NetLab lab;
    private final ClusterProcesses cluster;
    private final ClusterTraffic traffic;
    private final long seed;
    private final Map<Long, ClusterMap> told = new HashMap<>();

    private PartitionScenario(
            NetLab lab, ClusterProcesses cluster, ClusterTraffic traffic, long seed) {
        this.lab = lab;
        this.cluster = cluster;
        this.traffic = traffic;
        this.seed = seed;
    }

    /** Name of the lab, seed, rounds. */
    public static void main(String[] args) throws Exception {
        NetLab lab = NetLab.of(args[0], NODES + 1);
        long seed = Long.parseLong(args[1]);
        Random random = new Random(seed);
        Path folder = Files.createTempDirectory("kvtier-partition");
        ClusterProcesses.Hosts hosts =
                new ClusterProcesses.Hosts() {
                    @Override
                    public String address(int node) {
                        return lab.address(node);
                    }

                    @Override
                    public List<String> before(int node) {
                        return lab.at(node);
                    }
                };
        try (ClusterProcesses cluster = ClusterProcesses.start(folder, NODES, 2, random, hosts);
                ClusterTraffic traffic = new ClusterTraffic(cluster, 2, seed)) {
            PartitionScenario scenario = new PartitionScenario(lab, cluster, traffic, seed);
            traffic.fill(PROMPTS);
            traffic.start(2);
            for (int round = 0; round < Integer.parseInt(args[2]); round++) {
                scenario.run(random);
            }
            traffic.stop();
            ClusterTraffic.Tally all = traffic.readAll();
            assertThat(all.ratio()).as("hits afterwards; %s", traffic).isEqualTo(1);
        } finally {
            lab.healAll();
            CommandProcess.delete(folder);
        }
    }

    private void run(Random random) throws InterruptedException {
        int leader = cluster.leader();
        int victim = random.nextBoolean() ? leader : (leader + 1) % NODES;
        episode("8 node away, leader " + (victim == leader), () -> lab.isolate(victim));
        int from = cluster.leader();
        int to = (from + 1 + random.nextInt(NODES - 1)) % NODES;
        episode("9 leader " + from + " does not reach " + to, () -> lab.cut(from, to));
        int deaf = cluster.leader();
        int mute = (deaf + 1 + random.nextInt(NODES - 1)) % NODES;
        episode("9 leader " + deaf + " does not hear " + mute, () -> lab.cut(mute, deaf));
        int lost = random.nextInt(NODES);
        episode("9 clients do not reach " + lost, () -> lab.cut(CLIENTS, lost));
    }

    private interface Cut {
        void run() throws InterruptedException;
    }

    /** A cut for a while; calls go on meanwhile, and afterwards all is as before. */
    private void episode(String row, Cut cut) throws InterruptedException {
        ClusterTraffic.Tally _ = traffic.tally();
        long epoch = epoch();
        long end = System.nanoTime() + AWAY.toNanos();
        cut.run();
        try {
            await().atMost(ClusterProcesses.PATIENCE)
                    .pollInterval(Duration.ofMillis(500))
                    .until(
                            () -> {
                                compareMaps();
                                return System.nanoTime() - end > 0 && traffic.gets() > 0;
                            });
        } finally {
            lab.healAll();
        }
        ClusterTraffic.Tally during = traffic.tally();
        long healedAt = System.nanoTime();
        cluster.awaitUp(NODES);
        long millis = (System.nanoTime() - healedAt) / 1_000_000;
        compareMaps();
        System.out.printf(
                "chaos row='%s' during=%s upAfterMillis=%d epochs=%d %s%n  again: ./mvnw -pl"
                        + " integration-tests -am verify -Dtest=none -Dit.test=PartitionIT"
                        + " -Dchaos.seed=%d%n",
                row, during, millis, epoch() - epoch, traffic, seed);
        assertThat(traffic.wrong()).as("wrong bytes; %s", traffic).isEmpty();
        assertThat(traffic.failures()).as("failed calls; %s", traffic).isEmpty();
        assertThat(during.ratio()).as("hits of two copies").isGreaterThanOrEqualTo(HITS_MIN);
    }

    /** Two maps of one epoch are the same map, whoever tells them. */
    private void compareMaps() {
        for (int node = 0; node < NODES; node++) {
            Optional<ClusterMap> map = cluster.map(node);
            if (map.isPresent()) {
                ClusterMap known = told.putIfAbsent(map.get().epoch(), map.get());
                assertThat(known == null || known.equals(map.get()))
                        .as("two maps of epoch %d: %s and %s", map.get().epoch(), known, map)
                        .isTrue();
            }
        }
    }

    private long epoch() {
        return cluster.map().map(ClusterMap::epoch).orElse(-1L);
    }
}
