package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.ControlConnection;
import io.kvtier.client.KvtierClient;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.ControlReply;
import io.kvtier.codec.wire.Member;
import io.kvtier.codec.wire.MemberCommand;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A cluster of real processes, which a test kills, pauses and restarts: voters, and nodes that join
 * later. Closed, none of them is left, and none of their logs holds an ERROR.
 */
final class ClusterProcesses implements AutoCloseable {
    /** Long, since a machine that runs other things starts a JVM in half a minute. */
    static final Duration PATIENCE = Duration.ofMinutes(2);

    private static final Duration CALL = Duration.ofSeconds(2);
    private static final int CONTROL_PORTS = 5;

    private final Path folder;
    private final int copies;
    private final Random random;
    private final Hosts hosts;
    private final List<Optional<FaultProxy>> proxies = new ArrayList<>();
    private final Set<Integer> taken = new HashSet<>();
    private final List<Integer> ports = new ArrayList<>();
    private final List<Integer> controlPorts = new ArrayList<>();
    private final List<@Nullable Process> processes = new ArrayList<>();

    /** Where nodes run, and what is around them. */
    interface Hosts {
        /** The address of a node. */
        default String address(int node) {
            return "127.0.0.1";
        }

        /** The words before a node's command. */
        default List<String> before(int node) {
            return List.of();
        }

        /** More variables of a node's environment. */
        default Map<String, String> environment(int node) {
            return Map.of();
        }

        /** Whether clients reach a node through a proxy that does harm. */
        default boolean isProxied() {
            return false;
        }
    }

    private ClusterProcesses(Path folder, int count, int copies, Random random, Hosts hosts) {
        this.folder = folder;
        this.copies = copies;
        this.random = random;
        this.hosts = hosts;
        for (int i = 0; i < count; i++) {
            ports.add(freePorts(1));
            proxies.add(
                    hosts.isProxied()
                            ? Optional.of(FaultProxy.start(hosts.address(i), ports.get(i)))
                            : Optional.empty());
            controlPorts.add(freePorts(CONTROL_PORTS));
            processes.add(null);
        }
    }

    /** Starts nodes and waits until all of them are up. */
    static ClusterProcesses start(Path folder, int count, int copies, Random random)
            throws IOException {
        return start(folder, count, copies, random, new Hosts() {});
    }

    /** The same somewhere else. */
    static ClusterProcesses start(Path folder, int count, int copies, Random random, Hosts hosts)
            throws IOException {
        ClusterProcesses cluster = new ClusterProcesses(folder, count, copies, random, hosts);
        try {
            for (int i = 0; i < count; i++) {
                cluster.restart(i);
            }
            cluster.awaitUp(count);
            return cluster;
        } catch (RuntimeException | IOException e) {
            cluster.close();
            throw e;
        }
    }

    List<String> endpoints() {
        List<String> out = new ArrayList<>();
        for (int i = 0; i < ports.size(); i++) {
            out.add(hosts.address(i) + ":" + ports.get(i));
        }
        return out;
    }

    /** A client, behind the proxies if there are any. */
    KvtierClient client() {
        List<String> seeds = new ArrayList<>(endpoints());
        for (int i = 0; i < seeds.size(); i++) {
            seeds.set(i, advertised(i).orElse(seeds.get(i)));
        }
        return KvtierClient.connect(seeds, ClientOptions.defaults());
    }

    /** The proxy between clients and a node. */
    FaultProxy proxy(int node) {
        return proxies.get(node).orElseThrow();
    }

    private Optional<String> advertised(int node) {
        return node < proxies.size()
                ? proxies.get(node).map(FaultProxy::endpoint)
                : Optional.empty();
    }

    static String name(int node) {
        return "node-" + node;
    }

    /** Starts a node that is not running, with whatever its folder holds. */
    void restart(int node) throws IOException {
        Path home = Files.createDirectories(folder.resolve(name(node)));
        Path config = Files.writeString(home.resolve("node.yaml"), config(node));
        ProcessBuilder builder =
                CommandProcess.command(hosts.before(node), "node", "--config", config.toString());
        builder.environment().put("JDK_JAVA_OPTIONS", "-Xmx192m");
        builder.environment().putAll(hosts.environment(node));
        processes.set(
                node,
                builder.redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.appendTo(log(node).toFile()))
                        .start());
    }

    /** A node more, which is no voter. */
    int join() throws IOException {
        ports.add(freePorts(1));
        processes.add(null);
        restart(ports.size() - 1);
        return ports.size() - 1;
    }

    /** SIGKILL. */
    void kill(int node) throws InterruptedException {
        int _ = process(node).destroyForcibly().waitFor();
    }

    /** SIGTERM; whether it ended in time. */
    boolean stop(int node) throws InterruptedException {
        process(node).destroy();
        return process(node).waitFor(30, TimeUnit.SECONDS);
    }

    /** SIGSTOP or SIGCONT. */
    void signal(int node, String signal) throws IOException, InterruptedException {
        int exit =
                new ProcessBuilder("kill", "-" + signal, Long.toString(process(node).pid()))
                        .start()
                        .waitFor();
        assertThat(exit).as("kill -%s", signal).isZero();
    }

    /** Deletes all that a stopped node ever wrote, but for its log. */
    void wipe(int node) throws IOException {
        try (Stream<Path> all = Files.walk(folder.resolve(name(node)).resolve("data"))) {
            for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(each);
            }
        }
    }

    /** The node that leads the voters: the only one that judges a command. */
    int leader() {
        MemberCommand nonsense = new MemberCommand(MemberCommand.Verb.FORGET, "nobody");
        return await().atMost(PATIENCE)
                .pollInterval(Duration.ofMillis(100))
                .until(
                        () -> {
                            for (int i = 0; i < ports.size(); i++) {
                                if (isAlive(i) && judges(i, nonsense)) {
                                    return i;
                                }
                            }
                            return -1;
                        },
                        node -> node >= 0);
    }

    /** The newest map that any running node tells. */
    Optional<ClusterMap> map() {
        Optional<ClusterMap> newest = Optional.empty();
        for (int i = 0; i < ports.size(); i++) {
            Optional<ClusterMap> told = isAlive(i) ? map(i) : Optional.empty();
            long epoch = newest.map(ClusterMap::epoch).orElse(-1L);
            if (told.filter(map -> map.epoch() > epoch).isPresent()) {
                newest = told;
            }
        }
        return newest;
    }

    /** The map that one node tells. */
    Optional<ClusterMap> map(int node) {
        try (ControlConnection connection =
                ControlConnection.connect(endpoints().get(node), ClientOptions.defaults())) {
            return Optional.of(connection.map(CALL));
        } catch (KvtierException e) {
            return Optional.empty();
        }
    }

    void awaitState(int node, Member.State state) {
        await().atMost(PATIENCE)
                .pollInterval(Duration.ofMillis(100))
                .until(
                        () ->
                                map().flatMap(map -> map.member(name(node)))
                                        .filter(member -> member.state() == state)
                                        .isPresent());
    }

    void awaitUp(int count) {
        await().atMost(PATIENCE.multipliedBy(2))
                .pollInterval(Duration.ofMillis(200))
                .until(
                        () ->
                                map().stream()
                                                .flatMap(map -> map.members().stream())
                                                .filter(m -> m.state() == Member.State.UP)
                                                .count()
                                        == count);
    }

    @Override
    public void close() {
        List<Process> started = processes.stream().filter(Objects::nonNull).toList();
        started.forEach(Process::destroy);
        for (Process process : started) {
            try {
                // A node that is killed leaves its buffers in /dev/shm until it starts again.
                boolean _ = process.waitFor(20, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            process.destroyForcibly();
        }
        for (Optional<FaultProxy> proxy : proxies) {
            try {
                if (proxy.isPresent()) {
                    proxy.get().close();
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        List<String> errors = new ArrayList<>();
        for (int i = 0; i < ports.size(); i++) {
            try (Stream<String> lines = Files.lines(log(i))) {
                lines.filter(line -> line.contains(" ERROR ")).forEach(errors::add);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        assertThat(errors).as("lines of level ERROR in the nodes' logs").isEmpty();
    }

    private boolean judges(int node, MemberCommand nonsense) {
        try (ControlConnection connection =
                ControlConnection.connect(endpoints().get(node), ClientOptions.defaults())) {
            return connection.send(nonsense, CALL).status() == ControlReply.Status.REFUSED;
        } catch (KvtierException e) {
            return false;
        }
    }

    boolean isAlive(int node) {
        Process process = processes.get(node);
        return process != null && process.isAlive();
    }

    private Process process(int node) {
        Process process = processes.get(node);
        if (process == null) {
            throw new AssertionError(name(node) + " was never started");
        }
        return process;
    }

    private Path log(int node) {
        return folder.resolve(name(node)).resolve("node.log");
    }

    private String config(int node) {
        StringBuilder voters = new StringBuilder();
        for (int i = 0; i < controlPorts.size(); i++) {
            voters.append(
                    "    - {node: %s, host: %s, port: %d, controlPort: %d}\n"
                            .formatted(
                                    name(i), hosts.address(i), ports.get(i), controlPorts.get(i)));
        }
        return """
        listen: {host: %s, port: %d}
        security: {plaintext: true}
        storage: {layout: log, directory: '%s', hotBytes: 64MiB, coldBytes: 512MiB}
        cluster:
          node: %s
          advertise: '%s'
          copies: %d
          ramp: 0ms
          voters:
        """
                        .formatted(
                                hosts.address(node),
                                ports.get(node),
                                folder.resolve(name(node)).resolve("data"),
                                name(node),
                                advertised(node).orElse(""),
                                copies)
                + voters;
    }

    private int freePorts(int count) {
        while (true) {
            int first = 20_000 + random.nextInt(10_000);
            boolean free = true;
            for (int port = first; free && port < first + count; port++) {
                free = !taken.contains(port) && isFree(port);
            }
            if (free) {
                for (int port = first; port < first + count; port++) {
                    taken.add(port);
                }
                return first;
            }
        }
    }

    private static boolean isFree(int port) {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        try (ServerSocket tcp = new ServerSocket(port, 1, loopback);
                DatagramSocket udp = new DatagramSocket(new InetSocketAddress(loopback, port))) {
            return tcp.isBound() && udp.isBound();
        } catch (IOException e) {
            return false;
        }
    }
}
