package io.kvtier.node;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier cluster down}: stops what {@code up} started; what it holds stays. */
@Command(
        name = "down",
        description = "Stop a cluster of this machine; what it holds stays in its folder.",
        mixinStandardHelpOptions = true)
final class ClusterDownCommand implements Callable<Integer> {
    private static final long SECONDS_MAX = 15;

    @Option(names = "--dir", required = true, paramLabel = "DIR", description = "As given to up.")
    private Path folder = Path.of("");

    @Override
    public Integer call() throws IOException, InterruptedException {
        LocalCluster cluster = new LocalCluster(folder);
        List<LocalCluster.Node> nodes = cluster.nodes();
        if (nodes.isEmpty()) {
            throw new CommandException(ExitCode.USAGE, folder + ": no cluster runs there");
        }
        nodes.forEach(node -> node.process().ifPresent(ProcessHandle::destroy));
        for (LocalCluster.Node node : nodes) {
            if (node.process().isPresent() && !ends(node.process().get())) {
                boolean _ = node.process().map(ProcessHandle::destroyForcibly).orElse(true);
                System.err.println(node.id() + " did not stop in time and was killed");
            }
        }
        cluster.forget();
        System.out.println(nodes.size() + " nodes stopped");
        return ExitCode.OK;
    }

    private static boolean ends(ProcessHandle process) throws InterruptedException {
        try {
            ProcessHandle _ = process.onExit().get(SECONDS_MAX, TimeUnit.SECONDS);
            return true;
        } catch (TimeoutException | ExecutionException e) {
            return false;
        }
    }
}
