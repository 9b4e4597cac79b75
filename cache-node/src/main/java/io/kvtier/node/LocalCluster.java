package io.kvtier.node;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.random.RandomGenerator;

/** A cluster of processes on this machine, in one folder: configurations, data, logs, pids. */
final class LocalCluster {
    private static final String FILE = "cluster.json";
    private static final int CONTROL_PORTS = 5;
    private static final int PORT_MIN = 20_000;
    private static final int PORTS = 10_000;
    private static final int TRIES_MAX = 1_000;

    private final Path folder;

    /** A started node. */
    record Node(String id, long pid, long startedMillis, String endpoint) {
        /** Its process, if that is still the one. */
        Optional<ProcessHandle> process() {
            return ProcessHandle.of(pid)
                    .filter(ProcessHandle::isAlive)
                    .filter(
                            each ->
                                    each.info()
                                            .startInstant()
                                            .map(Instant::toEpochMilli)
                                            .filter(millis -> millis == startedMillis)
                                            .isPresent());
        }
    }

    LocalCluster(Path folder) {
        this.folder = folder.toAbsolutePath();
    }

    /** The nodes that were started, none if there is no such cluster. */
    List<Node> nodes() throws IOException {
        Path file = folder.resolve(FILE);
        List<Node> out = new ArrayList<>();
        if (Files.exists(file)) {
            for (JsonNode node : new ObjectMapper().readTree(file.toFile()).path("nodes")) {
                out.add(
                        new Node(
                                node.path("id").asText(),
                                node.path("pid").asLong(),
                                node.path("startedMillis").asLong(),
                                node.path("endpoint").asText()));
            }
        }
        return out;
    }

    /** Writes a configuration for each node, unless the folder has them from an earlier start. */
    void configure(int count, int copies, RandomGenerator random) throws IOException {
        if (Files.exists(config(1))) {
            return;
        }
        Files.createDirectories(folder);
        Set<Integer> taken = new HashSet<>();
        List<Integer> ports = new ArrayList<>();
        StringBuilder voters = new StringBuilder();
        int voting = count >= 5 ? 5 : count >= 3 ? 3 : 1;
        for (int i = 1; i <= count; i++) {
            ports.add(freePorts(1, taken, random));
            if (i <= voting) {
                int control = freePorts(CONTROL_PORTS, taken, random);
                voters.append(
                        "    - {node: node-%d, port: %d, controlPort: %d}%n"
                                .formatted(i, ports.getLast(), control));
            }
        }
        for (int i = 1; i <= count; i++) {
            Files.createDirectories(home(i));
            Files.writeString(
                    config(i),
                    """
                    listen: {port: %d}
                    storage: {directory: '%s', hotBytes: 256MiB, coldBytes: 4GiB}
                    cluster:
                      node: node-%d
                      copies: %d
                      ramp: 0ms
                      voters:
                    %s\
                    """
                            .formatted(
                                    ports.get(i - 1), home(i).resolve("data"), i, copies, voters));
        }
    }

    /** Starts a process for each configuration. */
    List<Node> start(int count) throws IOException {
        List<Node> nodes = new ArrayList<>();
        for (int i = 1; i <= count; i++) {
            Path log = home(i).resolve("node.log");
            Process process =
                    new ProcessBuilder(command(config(i)))
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                            .start();
            process.getOutputStream().close();
            long started = process.info().startInstant().map(Instant::toEpochMilli).orElse(0L);
            int port = io.kvtier.config.ConfigReader.read(config(i)).listen().port();
            nodes.add(new Node("node-" + i, process.pid(), started, "127.0.0.1:" + port));
        }
        write(nodes);
        return nodes;
    }

    /** Forgets the processes, but not what they hold. */
    void forget() throws IOException {
        boolean _ = Files.deleteIfExists(folder.resolve(FILE));
    }

    /** Where a node's log is. */
    Path log(int number) {
        return home(number).resolve("node.log");
    }

    /** What is printed and kept about nodes. */
    static ObjectNode json(List<Node> nodes) {
        ObjectNode root = new ObjectMapper().createObjectNode();
        root.putArray("nodes");
        for (Node node : nodes) {
            root.withArray("nodes")
                    .addObject()
                    .put("id", node.id())
                    .put("pid", node.pid())
                    .put("startedMillis", node.startedMillis())
                    .put("endpoint", node.endpoint());
        }
        return root;
    }

    private void write(List<Node> nodes) throws IOException {
        Files.writeString(folder.resolve(FILE), json(nodes) + "\n");
    }

    private Path home(int number) {
        return folder.resolve("node-" + number);
    }

    private Path config(int number) {
        return home(number).resolve("node.yaml");
    }

    /** This process's java, flags and class path, for a node. */
    private static List<String> command(Path config) {
        List<String> line = new ArrayList<>();
        line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        line.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        line.addAll(List.of("-Xmx256m", "-XX:MaxDirectMemorySize=512m", "-Dkvtier.log=INFO"));
        line.addAll(List.of("-cp", System.getProperty("java.class.path")));
        line.addAll(List.of("io.kvtier.node.Main", "node", "--config", config.toString()));
        return line;
    }

    /** The first of so many consecutive ports that nobody uses, TCP or UDP. */
    private static int freePorts(int count, Set<Integer> taken, RandomGenerator random)
            throws IOException {
        for (int i = 0; i < TRIES_MAX; i++) {
            int first = PORT_MIN + random.nextInt(PORTS);
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
        throw new IOException("no " + count + " free ports from " + PORT_MIN + " on");
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
