package io.kvtier.node;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.node.sim.BandwidthTrace;
import io.kvtier.node.sim.ChunkShape;
import io.kvtier.node.sim.PolicyScore;
import io.kvtier.node.sim.PolicySummary;
import io.kvtier.node.sim.StreamCase;
import io.kvtier.node.sim.StreamPicture;
import io.kvtier.node.sim.StreamSimulation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier sim}: what would happen, in virtual time. */
@Command(
        name = "sim",
        description = "Simulations in virtual time.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {SimCommand.Streams.class, CommandLine.HelpCommand.class})
final class SimCommand {
    /** {@code kvtier sim stream}: policies of streaming. */
    @Command(
            name = "stream",
            description = {
                "Stream chunks over links whose rate changes: this tier's client, fixed levels,",
                "CacheGen's rule, and the best that anybody could do who knows the future."
            },
            mixinStandardHelpOptions = true)
    static final class Streams implements Callable<Integer> {
        private static final int SEEDS_MAX = 10_000;
        private static final double MILLI = 1e6;

        @Option(
                names = "--trace",
                paramLabel = "FILE",
                arity = "1..*",
                description = "Lines ms,mbit: the link's rate from then on.")
        private List<Path> files = List.of();

        @Option(
                names = "--seeds",
                paramLabel = "A..B",
                description = "Links, deadlines and requests that seeds decide.")
        private String seeds = "";

        @Option(
                names = "--deadline",
                paramLabel = "MS",
                split = ",",
                defaultValue = "50,100,200,500,1000,2000,5000",
                description = "Of the streams over each --trace (default: ${DEFAULT-VALUE}).")
        private List<Double> deadlines = List.of();

        @Option(
                names = "--round-trip",
                paramLabel = "MS",
                defaultValue = "5",
                description = "Of each --trace (default: ${DEFAULT-VALUE}).")
        private double roundTripMs;

        @Option(
                names = "--chunks",
                paramLabel = "COUNT",
                defaultValue = "16",
                description = "Of 256 tokens, over each --trace (default: ${DEFAULT-VALUE}).")
        private int chunks;

        @Option(
                names = "--model",
                paramLabel = "MODEL",
                defaultValue = "smollm2-135m",
                description = "smollm2-135m or llama-3-8b (default: ${DEFAULT-VALUE}).")
        private String model = "";

        @Option(names = "--svg", paramLabel = "FILE", description = "Also draw a picture.")
        private @Nullable Path svg;

        @Option(names = "--json", description = "Print one JSON array, a row a stream and policy.")
        private boolean json;

        @Override
        public Integer call() throws IOException {
            List<StreamCase> requests = new ArrayList<>(seeded());
            for (Path file : files) {
                requests.addAll(over(BandwidthTrace.read(file)));
            }
            check(!requests.isEmpty(), "streams", 0, "--trace FILE or --seeds A..B");
            StreamSimulation simulation = StreamSimulation.of(requests);
            if (svg != null) {
                var _ = Files.writeString(svg, StreamPicture.draw(simulation));
            }
            System.out.println(
                    json
                            ? PolicyScore.json(simulation.scores())
                            : PolicySummary.table(simulation.summaries()));
            return ExitCode.OK;
        }

        private List<StreamCase> seeded() {
            if (seeds.isEmpty()) {
                return List.of();
            }
            String[] ends = seeds.split("\\.\\.", -1);
            try {
                long from = Long.parseLong(ends[0]);
                long to = ends.length == 1 ? from : Long.parseLong(ends[1]);
                check(
                        ends.length <= 2 && from <= to && to - from < SEEDS_MAX,
                        "--seeds",
                        seeds,
                        "A..B, at most " + SEEDS_MAX);
                return StreamSimulation.seeded(from, to);
            } catch (NumberFormatException e) {
                throw new InvalidRequestException("--seeds is '" + seeds + "', expected A..B");
            }
        }

        private List<StreamCase> over(BandwidthTrace trace) {
            ChunkShape shape = ChunkShape.of(model);
            check(chunks >= 1 && chunks <= 10_000, "--chunks", chunks, "1..10000");
            check(roundTripMs >= 0 && roundTripMs < 1e5, "--round-trip", roundTripMs, "0..1e5");
            List<StreamCase> out = new ArrayList<>();
            for (double deadline : deadlines) {
                check(deadline > 0 && deadline < 1e7, "--deadline", deadline, "0..1e7");
                out.add(
                        new StreamCase(
                                trace,
                                (long) (deadline * MILLI),
                                (long) (roundTripMs * MILLI),
                                0,
                                shape.chunks(chunks)));
            }
            return out;
        }
    }
}
