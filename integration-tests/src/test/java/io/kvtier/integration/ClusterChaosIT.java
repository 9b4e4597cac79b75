package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Member;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Real nodes, puts and gets all the while, and a fault: no byte is wrong, nothing acknowledged is
 * lost to one node, no call fails. Times are printed, not judged.
 */
@Timeout(900)
class ClusterChaosIT {
    private static final int PROMPTS = 30;
    private static final int READERS = 2;
    private static final int GETS = 40;

    @TempDir Path folder;

    private final long seed = Long.getLong("chaos.seed", 1);
    private final Random random = new Random(seed);

    /** The leader is a data node, too: both faults in one. */
    @Test
    void leaderKilled_dataGoesOnAndANewEpochIsMade() throws Exception {
        try (ClusterProcesses cluster = start();
                ClusterTraffic traffic = new ClusterTraffic(cluster, 2, seed)) {
            traffic.fill(PROMPTS);
            traffic.start(READERS);
            for (int round = 0; round < 2; round++) {
                int leader = cluster.leader();
                long before = epoch(cluster);
                ClusterTraffic.Tally _ = traffic.tally();
                long killedAt = System.nanoTime();
                cluster.kill(leader);
                cluster.awaitState(leader, Member.State.DOWN);
                long millis = (System.nanoTime() - killedAt) / 1_000_000;
                awaitGets(traffic);
                ClusterTraffic.Tally during = traffic.tally();
                assertThat(epoch(cluster)).isGreaterThan(before);
                cluster.restart(leader);
                cluster.awaitUp(3);
                report("leader killed", "newEpochMillis=" + millis + " during=" + during, traffic);
                assertSound(traffic);
                assertThat(during.ratio()).as("hits of chunks with two copies").isGreaterThan(0.99);
            }
            traffic.stop();
            assertThat(traffic.readAll().ratio()).as("hits afterwards").isEqualTo(1);
            assertSound(traffic);
        }
    }

    @Test
    void votersDiskWiped_itComesBackAsTheSameMember() throws Exception {
        try (ClusterProcesses cluster = start();
                ClusterTraffic traffic = new ClusterTraffic(cluster, 2, seed)) {
            traffic.fill(PROMPTS);
            traffic.start(READERS);
            int victim = (cluster.leader() + 1) % 3;
            cluster.kill(victim);
            cluster.awaitState(victim, Member.State.DOWN);
            cluster.wipe(victim);
            cluster.restart(victim);
            cluster.awaitUp(3);
            long epoch = epoch(cluster);
            await().atMost(ClusterProcesses.PATIENCE)
                    .until(() -> cluster.map(victim).filter(m -> m.epoch() >= epoch).isPresent());
            // It votes again: with another voter gone, only its voice makes a majority.
            int other = (victim + 1) % 3;
            cluster.kill(other);
            cluster.awaitState(other, Member.State.DOWN);
            cluster.restart(other);
            cluster.awaitUp(3);
            report("disk wiped", "epoch=" + epoch(cluster), traffic);
            assertSound(traffic);
        }
    }

    @Test
    void rollingRestart_failsNoCall() throws Exception {
        try (ClusterProcesses cluster = start();
                ClusterTraffic traffic = new ClusterTraffic(cluster, 2, seed)) {
            traffic.fill(PROMPTS);
            traffic.start(READERS);
            for (int node = 0; node < 3; node++) {
                assertThat(cluster.stop(node)).as("ends after SIGTERM").isTrue();
                cluster.awaitState(node, Member.State.DOWN);
                awaitGets(traffic);
                cluster.restart(node);
                cluster.awaitUp(3);
            }
            ClusterTraffic.Tally during = traffic.tally();
            report("rolling restart", "during=" + during, traffic);
            assertSound(traffic);
            assertThat(during.ratio()).as("hits during").isGreaterThan(0.99);
        }
    }

    /** A node that hangs for three seconds, as in a long garbage collection, or a stopped VM. */
    @Test
    void nodePaused_callsGoToTheOthers() throws Exception {
        try (ClusterProcesses cluster = start();
                ClusterTraffic traffic = new ClusterTraffic(cluster, 2, seed)) {
            traffic.fill(PROMPTS);
            traffic.start(READERS);
            for (int round = 0; round < 3; round++) {
                int victim = random.nextInt(3);
                ClusterTraffic.Tally _ = traffic.tally();
                cluster.signal(victim, "STOP");
                try {
                    await().atMost(ClusterProcesses.PATIENCE)
                            .pollDelay(Duration.ofSeconds(3))
                            .until(() -> traffic.gets() > 0);
                } finally {
                    cluster.signal(victim, "CONT");
                }
                cluster.awaitUp(3);
                report("node paused", "victim=" + victim + " during=" + traffic.tally(), traffic);
                assertSound(traffic);
            }
        }
    }

    /** One copy of everything: what moves to the new node is still asked of whoever had it. */
    @Test
    void nodeJoins_atOneCopy_losesNoHit() throws Exception {
        try (ClusterProcesses cluster = ClusterProcesses.start(folder, 1, 1, random);
                ClusterTraffic traffic = new ClusterTraffic(cluster, 1, seed)) {
            traffic.fill(PROMPTS);
            traffic.start(1);
            int joined = cluster.join();
            cluster.awaitUp(2);
            awaitGets(traffic);
            traffic.stop();
            ClusterTraffic.Tally during = traffic.tally();
            ClusterTraffic.Tally after = traffic.readAll();
            report("node joins", "during=" + during + " after=" + after, traffic);
            assertSound(traffic);
            assertThat(during.ratio()).as("hits during").isEqualTo(1);
            assertThat(after.ratio()).as("hits after").isEqualTo(1);
            assertThat(cluster.map(joined).orElseThrow().members()).hasSize(2);
        }
    }

    private ClusterProcesses start() throws Exception {
        return ClusterProcesses.start(folder, 3, 2, random);
    }

    private static long epoch(ClusterProcesses cluster) {
        return cluster.map().map(ClusterMap::epoch).orElse(-1L);
    }

    private static void awaitGets(ClusterTraffic traffic) {
        long enough = traffic.gets() + GETS;
        await().atMost(ClusterProcesses.PATIENCE).until(() -> traffic.gets() >= enough);
    }

    private static void assertSound(ClusterTraffic traffic) {
        assertThat(traffic.wrong()).as("wrong bytes; %s", traffic).isEmpty();
        assertThat(traffic.failures()).as("failed calls; %s", traffic).isEmpty();
    }

    private void report(String row, String figures, ClusterTraffic traffic) {
        System.out.printf(
                "chaos row='%s' %s %s%n  again: ./mvnw -pl integration-tests -am verify"
                        + " -Dtest=none -Dit.test=ClusterChaosIT -Dchaos.seed=%d%n",
                row, figures, traffic, seed);
    }
}
