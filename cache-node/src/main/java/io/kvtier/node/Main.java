package io.kvtier.node;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.config.ConfigException;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.Arrays;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The command line: {@code kvtier node|put|get|match|stats|top|explain|cluster|drain|demo|…}. */
@Command(
        name = "kvtier",
        description = "A distributed KV-cache tier for LLM inference.",
        mixinStandardHelpOptions = true,
        version = "kvtier 0.1.0-SNAPSHOT",
        subcommands = {
            NodeCommand.class,
            PutCommand.class,
            GetCommand.class,
            MatchCommand.class,
            StatsCommand.class,
            TopCommand.class,
            ExplainCommand.class,
            PinCommand.class,
            UnpinCommand.class,
            TtlCommand.class,
            EvictCommand.class,
            ClusterCommand.class,
            DrainCommand.class,
            TokenCommand.class,
            DemoCommand.class,
            CodecCommand.class,
            ProfileCommand.class,
            BenchCommand.class,
            SimCommand.class,
            CheckCommand.class,
            AutoComplete.GenerateCompletion.class,
            CommandLine.HelpCommand.class
        },
        synopsisSubcommandLabel = "COMMAND",
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:nothing matched, nothing came by the deadline, or a check found damage",
            "2:the command, its files or the configuration cannot be used",
            "3:the node cannot be reached, is overloaded or refused",
            "4:a bug"
        })
final class Main {
    private Main() {}

    /** Runs a command and exits with its code. */
    public static void main(String[] args) {
        boolean node = Arrays.asList(args).contains("node");
        if (System.getProperty("kvtier.log") == null) {
            System.setProperty("kvtier.log", node ? "INFO" : "WARN");
        }
        System.exit(run(args));
    }

    static int run(String... args) {
        return new CommandLine(new Main())
                .setExitCodeExceptionMapper(Main::exitCode)
                .setExecutionExceptionHandler(
                        (e, line, parsed) -> {
                            line.getErr().println("kvtier: " + message(e));
                            if (exitCode(e) == ExitCode.INTERNAL
                                    || System.getenv("KVTIER_VERBOSE") != null) {
                                e.printStackTrace(line.getErr());
                            }
                            return exitCode(e);
                        })
                .execute(args);
    }

    private static int exitCode(Throwable e) {
        return switch (e) {
            case CommandException c -> c.exitCode();
            case CommandLine.ParameterException _ -> ExitCode.USAGE;
            case ConfigException _ -> ExitCode.USAGE;
            case InvalidRequestException _ -> ExitCode.USAGE;
            case IOException _ -> ExitCode.USAGE;
            case KvtierException _ -> ExitCode.UNAVAILABLE;
            default -> ExitCode.INTERNAL;
        };
    }

    private static String message(Throwable e) {
        return switch (e) {
            case NoSuchFileException n -> n.getFile() + " does not exist";
            case java.nio.file.AccessDeniedException n ->
                    n.getFile() + " may not be read or written";
            default -> String.valueOf(e.getMessage());
        };
    }
}
