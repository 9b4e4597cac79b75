package io.kvtier.node;

import io.kvtier.config.ConfigReader;
import io.kvtier.config.NodeConfig;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier node}: runs a node until SIGTERM or SIGINT. */
@Command(
        name = "node",
        description = "Run a cache node until SIGTERM; prints one line when it is ready.",
        mixinStandardHelpOptions = true)
final class NodeCommand implements Callable<Integer> {
    private static final Logger log = LoggerFactory.getLogger(NodeCommand.class);

    @Option(
            names = "--config",
            paramLabel = "FILE",
            description = "YAML, see examples/node.yaml; without it the defaults hold.")
    private @Nullable Path config;

    @Override
    public Integer call() throws InterruptedException {
        NodeConfig settings = config == null ? NodeConfig.defaults() : ConfigReader.read(config);
        CacheNode node = CacheNode.start(settings);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(node), "kvtier-stop"));
        log.info(
                "started endpoint={} admin={} directory={} hotBytes={} coldBytes={}",
                node.endpoint(),
                node.adminUrl(),
                settings.storage().directory().toAbsolutePath(),
                settings.storage().hotBytes(),
                settings.storage().coldBytes());
        System.out.println("kvtier node ready on " + node.endpoint());
        System.out.flush();
        new CountDownLatch(1).await(); // the shutdown hook ends the process
        return ExitCode.OK;
    }

    private static void stop(CacheNode node) {
        try {
            node.close();
            log.info("stopped cleanly");
        } catch (RuntimeException e) {
            log.error("stopped with an error", e);
        }
    }
}
