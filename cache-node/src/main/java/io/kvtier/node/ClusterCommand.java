package io.kvtier.node;

import picocli.CommandLine.Command;

/** {@code kvtier cluster up|down|status}. */
@Command(
        name = "cluster",
        description = "Try out a cluster on this machine, or look at one.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            ClusterUpCommand.class,
            ClusterDownCommand.class,
            ClusterStatusCommand.class
        })
final class ClusterCommand {}
