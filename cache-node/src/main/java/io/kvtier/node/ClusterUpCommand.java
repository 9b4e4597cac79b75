package io.kvtier.node;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.KvtierClient;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.wire.Member;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier cluster up}: starts nodes on this machine, which outlive the command. */
@Command(
        name = "up",
        description = "Start a cluster on this machine; it runs until 'kvtier cluster down'.",
        mixinStandardHelpOptions = true)
final class ClusterUpCommand implements Callable<Integer> {
    private static final int NODES_MAX = 9;
    private static final long LOOK_AGAIN_MILLIS = 200;

    @Option(names = "--nodes", defaultValue = "3", description = "How many (${DEFAULT-VALUE}).")
    private int count = 3;

    @Option(
            names = "--copies",
            defaultValue = "2",
            description = "Of each chunk (${DEFAULT-VALUE}).")
    private int copies = 2;

    @Option(
            names = "--dir",
            required = true,
            paramLabel = "DIR",
            description = "For configurations, data and logs; one that was used before goes on.")
    private Path folder = Path.of("");

    @Option(
            names = "--wait",
            defaultValue = "2min",
            converter = NodeAddress.Time.class,
            description = "For all nodes to be up (${DEFAULT-VALUE}).")
    private Duration wait = Duration.ofMinutes(2);

    @Option(names = "--json", description = "Print {nodes: [{id, pid, endpoint}]}.")
    private boolean json;

    @Override
    public Integer call() throws IOException, InterruptedException {
        InvalidRequestException.check(
                count >= 1 && count <= NODES_MAX, "--nodes", count, "1.." + NODES_MAX);
        InvalidRequestException.check(
                copies >= 1 && copies <= NODES_MAX, "--copies", copies, "1.." + NODES_MAX);
        LocalCluster cluster = new LocalCluster(folder);
        if (cluster.nodes().stream().anyMatch(node -> node.process().isPresent())) {
            throw new CommandException(
                    ExitCode.USAGE, folder + ": runs already, see 'kvtier cluster down'");
        }
        cluster.configure(count, copies, new SecureRandom());
        List<LocalCluster.Node> nodes = cluster.start(count);
        await(cluster, nodes);
        if (json) {
            System.out.println(LocalCluster.json(nodes));
        } else {
            for (LocalCluster.Node node : nodes) {
                System.out.println(
                        node.id() + " is up at " + node.endpoint() + ", pid " + node.pid());
            }
        }
        return ExitCode.OK;
    }

    private void await(LocalCluster cluster, List<LocalCluster.Node> nodes)
            throws InterruptedException {
        List<String> seeds = nodes.stream().map(LocalCluster.Node::endpoint).toList();
        long tries = Math.max(1, wait.toMillis() / LOOK_AGAIN_MILLIS);
        for (long i = 0; i < tries; i++) {
            for (int number = 1; number <= nodes.size(); number++) {
                if (nodes.get(number - 1).process().isEmpty()) {
                    stop(nodes);
                    throw new CommandException(
                            ExitCode.USAGE,
                            "node-" + number + " ended: see " + cluster.log(number));
                }
            }
            if (up(seeds) == nodes.size()) {
                return;
            }
            boolean _ = new CountDownLatch(1).await(LOOK_AGAIN_MILLIS, TimeUnit.MILLISECONDS);
        }
        stop(nodes);
        throw new CommandException(
                ExitCode.UNAVAILABLE, "not all nodes were up within " + wait + ": see their logs");
    }

    private static long up(List<String> seeds) {
        try (KvtierClient client = KvtierClient.connect(seeds, ClientOptions.defaults())) {
            return client.map(client.within(Duration.ofSeconds(2))).members().stream()
                    .filter(member -> member.state() == Member.State.UP)
                    .count();
        } catch (UnavailableException e) {
            return 0;
        }
    }

    private static void stop(List<LocalCluster.Node> nodes) {
        nodes.forEach(node -> node.process().ifPresent(ProcessHandle::destroy));
    }
}
