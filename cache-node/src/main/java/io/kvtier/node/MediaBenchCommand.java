package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.storage.NanoClock;
import io.kvtier.storage.log.MediumReport;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvtier bench media}: what a store would find on a medium. */
@Command(
        name = "media",
        description = {
            "Measure a medium as the log does when it opens: writes, syncs, reads.",
            "Works with one file in a new folder inside DIR, which is removed."
        },
        mixinStandardHelpOptions = true)
final class MediaBenchCommand implements Callable<Integer> {
    @Parameters(paramLabel = "DIR", description = "A folder on the medium to be measured.")
    private Path folder = Path.of("");

    @Option(
            names = "--megabytes",
            description = "Of the file, written and read three times; default ${DEFAULT-VALUE}.",
            defaultValue = "32")
    private int megabytes;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        InvalidRequestException.check(
                megabytes >= 1 && megabytes <= 1024, "--megabytes", megabytes, "1..1024");
        MediumReport report = MediumReport.measure(folder, megabytes << 20, NanoClock.system());
        if (json) {
            System.out.println(new ObjectMapper().writeValueAsString(report));
        } else {
            System.out.printf(
                    "%s: writes %.0f MB/s, a sync of one page %.0f us, reads (cached) %.0f MB/s,"
                            + " compaction in batches of %.1f MB%n",
                    report.kind(),
                    report.writeMegabytesPerSecond(),
                    report.syncMicros(),
                    report.readMegabytesPerSecond(),
                    report.batchBytes() / 1e6);
        }
        return ExitCode.OK;
    }
}
