package io.kvtier.node;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** {@code kvtier codec}: codes caches in files, without a node. */
@Command(
        name = "codec",
        description = "Code KV caches in files: what a level costs, and where its bits go.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            RoundtripCommand.class,
            EncodeCommand.class,
            DecodeCommand.class,
            InspectCommand.class,
            CommandLine.HelpCommand.class
        })
final class CodecCommand {}
