package io.kvtier.node;

import io.kvtier.node.frames.ProfileReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code kvtier profile}: what a calibrated profile holds. */
@Command(
        name = "profile",
        description = "Look into profiles of models.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {ProfileCommand.Inspect.class, CommandLine.HelpCommand.class})
final class ProfileCommand {
    /** {@code kvtier profile inspect}: everything a person wants to know of one. */
    @Command(
            name = "inspect",
            description = "Show kind, origin, levels, loss map and spectrum of a profile.",
            mixinStandardHelpOptions = true)
    static final class Inspect implements Callable<Integer> {
        @Parameters(paramLabel = "PROFILE", description = "As `kvtier.calibrate` writes it.")
        private Path file = Path.of("");

        @Option(names = "--json", description = "Print one JSON object.")
        private boolean json;

        @Override
        public Integer call() throws IOException {
            ProfileReport report = new ProfileReport(CodecOptions.outline(file), Files.size(file));
            System.out.println(json ? report.json() : report.text());
            return ExitCode.OK;
        }
    }
}
