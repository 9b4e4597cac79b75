package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.storage.RocksCheck;
import io.kvtier.storage.StorageException;
import io.kvtier.storage.StoreReport;
import io.kvtier.storage.log.LogCheck;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvtier check}: whether every byte of a stopped node's stores is what was written. */
@Command(
        name = "check",
        description = {
            "Verify every byte of a stopped node's stores, and say what is damaged and where.",
            "Changes nothing. Exit code 0: all sound; 1: damage was found."
        },
        mixinStandardHelpOptions = true)
final class CheckCommand implements Callable<Integer> {
    private static final String MARKER = "STORE";

    @Parameters(
            paramLabel = "DIR",
            description = "A node's storage.directory, or one store's folder in it.")
    private Path folder = Path.of("");

    @Option(names = "--json", description = "Print one JSON array, a report for each store.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        List<StoreReport> reports = new ArrayList<>();
        for (Path store : stores()) {
            System.err.println("reading " + store + " ...");
            reports.add(check(store));
        }
        if (json) {
            System.out.println(new ObjectMapper().writeValueAsString(reports));
        } else {
            reports.forEach(CheckCommand::print);
        }
        return reports.stream().allMatch(StoreReport::isSound) ? ExitCode.OK : ExitCode.MISS;
    }

    private List<Path> stores() throws IOException {
        if (Files.exists(folder.resolve(MARKER))) {
            return List.of(folder);
        }
        try (Stream<Path> parts = Files.list(folder)) {
            List<Path> stores =
                    parts.filter(part -> Files.exists(part.resolve(MARKER))).sorted().toList();
            if (stores.isEmpty()) {
                throw new CommandException(
                        ExitCode.USAGE,
                        folder
                                + " holds no store, expected a file STORE in it or in a folder of"
                                + " it: name a node's storage.directory");
            }
            return stores;
        }
    }

    private static StoreReport check(Path store) throws IOException {
        String layout = Files.readString(store.resolve(MARKER)).strip();
        try {
            return switch (layout) {
                case "kvtier-store log 1" -> LogCheck.run(store);
                case "kvtier-store rocks 1" -> RocksCheck.run(store);
                default ->
                        throw new CommandException(
                                ExitCode.USAGE,
                                store
                                        + " holds \""
                                        + layout
                                        + "\", this version reads log 1 and rocks 1: use the"
                                        + " version that wrote it");
            };
        } catch (StorageException e) {
            throw new CommandException(ExitCode.USAGE, String.valueOf(e.getMessage()), e);
        }
    }

    private static void print(StoreReport report) {
        System.out.printf(
                "%s (%s): %s%n  %,d values of %,d bytes sound; %,d bytes in %,d files read, %,d"
                        + " dead records, %,d bytes torn off%n",
                report.folder(),
                report.layout(),
                report.isSound() ? "sound" : report.damaged() + " places are damaged",
                report.values(),
                report.valueBytes(),
                report.bytes(),
                report.files(),
                report.dead(),
                report.tornBytes());
        for (StoreReport.Finding finding : report.findings()) {
            System.out.printf(
                    "  %s offset %d%s: %s (%s)%n",
                    finding.file(),
                    finding.offset(),
                    finding.key().isEmpty() ? "" : " chunk " + finding.key(),
                    finding.what(),
                    finding.counts() ? "the chunk is lost" : "no chunk is lost by it");
        }
        if (report.damaged() > report.findings().size()) {
            System.out.printf("  and %,d more%n", report.damaged() - report.findings().size());
        }
    }
}
