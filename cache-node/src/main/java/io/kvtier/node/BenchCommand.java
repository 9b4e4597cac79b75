package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.node.drawing.PolicyPicture;
import io.kvtier.storage.policy.BlockShape;
import io.kvtier.storage.policy.PolicyRun;
import io.kvtier.storage.policy.Trace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier bench}: measurements that a user can repeat. */
@Command(
        name = "bench",
        description = "Measurements that anybody can repeat.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            BenchCommand.Policies.class,
            StorageBenchCommand.class,
            MediaBenchCommand.class,
            MethodsBenchCommand.class,
            PlacementBenchCommand.class,
            BreakEvenBenchCommand.class,
            StreamBenchCommand.class,
            TtftBenchCommand.class,
            CommandLine.HelpCommand.class
        })
final class BenchCommand {
    /** {@code kvtier bench policy}: which chunks to keep. */
    @Command(
            name = "policy",
            description = {
                "Replay a trace of requests against replacement policies, in virtual time.",
                "The first half warms them up, the second is scored: blocks hit as part of a"
                        + " prefix ÷ blocks asked."
            },
            mixinStandardHelpOptions = true)
    static final class Policies implements Callable<Integer> {
        private static final int BLOCKS_MAX = 10_000_000;

        @Option(
                names = "--trace",
                paramLabel = "FILE",
                required = true,
                description = "JSON lines with timestamp (ms) and hash_ids, as Mooncake's.")
        private Path file = Path.of("");

        @Option(
                names = "--capacity",
                paramLabel = "BLOCKS",
                split = ",",
                description = "Default: ${DEFAULT-VALUE}.",
                defaultValue = "2000,5000,10000,20000,40000")
        private List<Integer> capacities = List.of();

        @Option(
                names = "--part-bytes",
                paramLabel = "BYTES",
                split = ",",
                description =
                        "Stored size of a block by the parts held, all of them last; default"
                                + " ${DEFAULT-VALUE}: 512 tokens of SmolLM2-135M by the joint"
                                + " profile, rung 0, with the refined tails, and every rung.",
                defaultValue = "376000,502000,901000")
        private List<Long> partBytes = List.of();

        @Option(
                names = "--part-distortion",
                paramLabel = "D",
                split = ",",
                description = "Distortion an element at each of these; default ${DEFAULT-VALUE}.",
                defaultValue = "0.00483,0.00429,0.00076")
        private List<Double> partDistortion = List.of();

        @Option(
                names = "--distortion-max",
                paramLabel = "D",
                description =
                        "What readers accept: a block that is held worse is a miss; default"
                            + " ${DEFAULT-VALUE}, up to which the joint profile's loss map bounds"
                            + " the perplexity's rise by 5 %%.",
                defaultValue = "0.0077")
        private double distortionMax;

        @Option(names = "--svg", paramLabel = "FILE", description = "Also draw a picture.")
        private @Nullable Path svg;

        @Option(names = "--json", description = "Print one JSON array.")
        private boolean json;

        @Override
        public Integer call() throws IOException {
            for (int capacity : capacities) {
                InvalidRequestException.check(
                        capacity >= 1 && capacity <= BLOCKS_MAX,
                        "--capacity",
                        capacity,
                        "1.." + BLOCKS_MAX);
            }
            BlockShape shape = shape();
            Trace trace = TraceFile.read(file);
            List<PolicyRun> runs = new ArrayList<>();
            for (int capacity : capacities) {
                for (String policy : PolicyRun.POLICIES) {
                    System.err.printf("%,d blocks, %s ...%n", capacity, policy);
                    runs.add(PolicyRun.of(policy, capacity, trace, shape));
                }
            }
            if (svg != null) {
                var _ = Files.writeString(svg, PolicyPicture.draw(runs));
            }
            System.out.println(json ? new ObjectMapper().writeValueAsString(runs) : table(runs));
            return ExitCode.OK;
        }

        private BlockShape shape() {
            try {
                return new BlockShape(partBytes, partDistortion, distortionMax);
            } catch (IllegalArgumentException e) {
                throw new InvalidRequestException(
                        "--part-bytes, --part-distortion: " + e.getMessage());
            }
        }

        private static String table(List<PolicyRun> runs) {
            StringBuilder out = new StringBuilder("hit ratio, %\n  blocks");
            PolicyRun.POLICIES.forEach(policy -> out.append(String.format("%15s", policy)));
            int capacity = -1;
            for (PolicyRun run : runs) {
                if (run.capacityBlocks() != capacity) {
                    capacity = run.capacityBlocks();
                    out.append(String.format("%n%8d", capacity));
                }
                out.append(String.format(Locale.ROOT, "%15.2f", 100 * run.hitRatio()));
            }
            return out.toString();
        }
    }
}
