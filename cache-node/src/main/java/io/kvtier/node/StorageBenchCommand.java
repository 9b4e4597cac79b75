package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.node.storage.BenchRow;
import io.kvtier.node.storage.StorageBench;
import io.kvtier.storage.NanoClock;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvtier bench storage}: what the layouts of the cold tier cost on a medium. */
@Command(
        name = "storage",
        description = {
            "Measure puts, gets, compaction and starts of the cold tier's layouts on a medium.",
            "Works in a new folder inside DIR, which is removed. Takes minutes on a slow disk."
        },
        mixinStandardHelpOptions = true)
final class StorageBenchCommand implements Callable<Integer> {
    private static final int MEGABYTES_MAX = 64 << 10;

    @Parameters(paramLabel = "DIR", description = "A folder on the medium to be measured.")
    private Path folder = Path.of("");

    @Option(
            names = "--chunk-bytes",
            paramLabel = "BYTES",
            split = ",",
            description = "Sizes that are put and read whole; default ${DEFAULT-VALUE}.",
            defaultValue = "1048576,4194304,16777216")
    private List<Integer> sizes = List.of();

    @Option(
            names = "--megabytes",
            description = "Put by layout, size and round; default ${DEFAULT-VALUE}.",
            defaultValue = "256")
    private int megabytes;

    @Option(
            names = "--rounds",
            description = "Of puts and gets; default ${DEFAULT-VALUE}.",
            defaultValue = "3")
    private int rounds;

    @Option(
            names = "--compaction-megabytes",
            description = "Of the log that is compacted, 0 = none; default ${DEFAULT-VALUE}.",
            defaultValue = "2048")
    private int compactionMegabytes;

    @Option(
            names = "--start-chunks",
            description = "Of the log that is started, 0 = none; default ${DEFAULT-VALUE}.",
            defaultValue = "100000")
    private int startChunks;

    @Option(names = "--json", description = "Print one JSON array.")
    private boolean json;

    @Override
    public Integer call() throws IOException, InterruptedException {
        check("--megabytes", megabytes, 1, MEGABYTES_MAX);
        check("--rounds", rounds, 1, 100);
        check("--start-chunks", startChunks, 0, 10_000_000);
        if (compactionMegabytes != 0) {
            check("--compaction-megabytes", compactionMegabytes, 128, MEGABYTES_MAX);
        }
        for (int size : sizes) {
            check("--chunk-bytes", size, 4096, 64 << 20);
        }
        StorageBench bench =
                new StorageBench(
                        sizes,
                        (long) megabytes << 20,
                        rounds,
                        (long) compactionMegabytes << 20,
                        startChunks);
        List<BenchRow> rows =
                bench.run(folder, NanoClock.system(), text -> System.err.println(text + " ..."));
        System.out.println(json ? new ObjectMapper().writeValueAsString(rows) : table(rows));
        return ExitCode.OK;
    }

    private static void check(String option, int value, int min, int max) {
        InvalidRequestException.check(
                value >= min && value <= max, option, value, min + ".." + max);
    }

    private static String table(List<BenchRow> rows) {
        List<String> lines = new ArrayList<>();
        lines.add("layout  op                       chunk bytes      MB/s  writes/byte");
        for (BenchRow row : rows) {
            lines.add(
                    String.format(
                                    Locale.ROOT,
                                    "%-7s %-22s %13d %9s %12s %s%s%s%s",
                                    row.layout(),
                                    row.op(),
                                    row.chunkBytes(),
                                    number("%.0f", row.megabytesPerSecond()),
                                    number("%.2f", row.writeAmplification()),
                                    number(" p99 %.2f ms", row.p99Millis()),
                                    number(" %.0f ms", row.millis()),
                                    number(" %.0f index bytes/chunk", row.indexBytesPerChunk()),
                                    number(" %.3f hit", row.hitRatio()))
                            .stripTrailing());
        }
        return String.join(System.lineSeparator(), lines);
    }

    private static String number(String format, @Nullable Double value) {
        return value == null ? "" : String.format(Locale.ROOT, format, value);
    }
}
