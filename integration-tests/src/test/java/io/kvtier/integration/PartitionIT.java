package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Rows 8 and 9 of the fault matrix: three nodes and their clients on hosts of their own, and cables
 * between them that are cut, both ways or one way. Runs only where network namespaces can be made.
 */
@Timeout(600)
class PartitionIT {
    private static final int NODES = 3;

    @TempDir Path folder;

    @Test
    void row8and9_cablesCutBothWaysAndOneWay_failNoCallAndHealByThemselves() throws Exception {
        Optional<NetLab> made = NetLab.make(NODES + 1);
        Assumptions.assumeTrue(made.isPresent(), "network namespaces can be made");
        try (NetLab lab = made.orElseThrow()) {
            String seed = "" + Long.getLong("chaos.seed", 1);
            String rounds = "" + Integer.getInteger("chaos.scale", 1);
            List<String> atTheClients = lab.at(NODES);
            CommandProcess.Result result =
                    CommandProcess.runMain(
                            folder,
                            atTheClients,
                            PartitionScenario.class.getName(),
                            lab.name(),
                            seed,
                            rounds);
            System.out.println(result.output());
            assertThat(result.exitCode()).as(result.output()).isZero();
        }
    }
}
