package io.kvtier.node.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Heartbeat;
import io.kvtier.storage.NanoClock;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** One voter with its disk: after many changes it is restarted, and goes on from its snapshot. */
@Timeout(240)
class SnapshotTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int PORTS = 5;
    private static final int CHANGES = 70;

    @TempDir Path folder;

    private final NanoClock clock = NanoClock.system();

    @Test
    void restart_afterManyChanges_beginsAtASnapshotAndKnowsTheLastMap() throws Exception {
        VoterOptions options =
                new VoterOptions(
                        folder,
                        List.of(new VoterOptions.Address("127.0.0.1", freePorts())),
                        0,
                        Duration.ofSeconds(2));
        MapRegister register = new MapRegister(2, 2048);
        ClusterMap last;
        long snapshot;
        try (Voter voter = Voter.start(options, register, clock, InstantSource.system())) {
            Leadership leadership = new Leadership(register, voter, judging(), clock);
            for (int weight = 1; weight <= CHANGES; weight++) {
                int wanted = weight;
                await().atMost(PATIENCE)
                        .pollInterval(Duration.ofMillis(5))
                        .until(
                                () -> {
                                    leadership.heard(heartbeat(wanted));
                                    leadership.tick();
                                    return weight(register.map()) == wanted;
                                });
            }
            await().atMost(PATIENCE).until(() -> register.snapshotEpoch() > 0);
            last = register.map();
            snapshot = register.snapshotEpoch();
        }
        MapRegister again = new MapRegister(2, 2048);
        try (Voter _ = Voter.start(options, again, clock, InstantSource.system())) {
            await().atMost(PATIENCE).until(() -> again.map().equals(last));
            assertThat(again.snapshotEpoch()).as("epoch it began at").isEqualTo(snapshot);
        }
    }

    private static Heartbeat heartbeat(int weight) {
        return new Heartbeat(0, 0, false, "a", "127.0.0.1:1", "", weight);
    }

    private static int weight(ClusterMap map) {
        return map.member("a").map(member -> member.weight()).orElse(0);
    }

    private static RosterOptions judging() {
        Duration instant = Duration.ofMillis(1);
        return new RosterOptions(2, 2048, Duration.ofSeconds(30), instant, instant, 7);
    }

    private static int freePorts() {
        for (int first = 30_200; first < 40_000; first += PORTS) {
            if (areFree(first)) {
                return first;
            }
        }
        throw new AssertionError("no free ports");
    }

    private static boolean areFree(int first) {
        for (int port = first; port < first + PORTS; port++) {
            InetSocketAddress address =
                    new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
            try (DatagramSocket socket = new DatagramSocket(address)) {
                assertThat(socket.isBound()).isTrue();
            } catch (SocketException e) {
                return false;
            }
        }
        return true;
    }
}
