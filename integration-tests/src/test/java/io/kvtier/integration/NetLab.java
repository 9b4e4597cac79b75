package io.kvtier.integration;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Several hosts on one machine: a network namespace for each place, every two of them joined by a
 * cable of their own (veth), so that each direction of each pair can be cut or shaped alone. Takes
 * root. Closed, all of it is gone; what a killed test left is removed when the next one begins.
 */
final class NetLab implements AutoCloseable {
    private static final String PREFIX = "kvlab-";
    private static final int COMMAND_SECONDS = 20;

    private final String name;
    private final int places;

    private NetLab(String name, int places) {
        this.name = name;
        this.places = places;
    }

    /** A lab of so many places; empty, with the reason printed, where none can be made. */
    static Optional<NetLab> make(int places) throws InterruptedException {
        removeLeftOvers();
        NetLab lab = of(PREFIX + ProcessHandle.current().pid(), places);
        String failure = lab.build();
        if (failure.isEmpty()) {
            return Optional.of(lab);
        }
        System.out.println("no network namespaces here: " + failure);
        lab.close();
        return Optional.empty();
    }

    /** The lab that another process made; closing it is the other's business. */
    static NetLab of(String name, int places) {
        return new NetLab(name, places);
    }

    String name() {
        return name;
    }

    /** The address of a place, a private one. */
    String address(int place) {
        return "10.77.0." + (place + 1);
    }

    /** The words before a command that make it run at a place. */
    List<String> at(int place) {
        return List.of("ip", "netns", "exec", namespace(place));
    }

    /** Whatever goes from one place to another is lost from now on; the way back is not touched. */
    void cut(int from, int to) throws InterruptedException {
        require(ip(from, "route", "replace", "blackhole", address(to) + "/32"));
    }

    /** The way is there again. */
    void heal(int from, int to) throws InterruptedException {
        require(route(from, to));
    }

    /** Cuts a place off from all others, both ways. */
    void isolate(int place) throws InterruptedException {
        for (int other = 0; other < places; other++) {
            if (other != place) {
                cut(place, other);
                cut(other, place);
            }
        }
    }

    void healAll() throws InterruptedException {
        for (int from = 0; from < places; from++) {
            for (int to = 0; to < places; to++) {
                if (from != to) {
                    heal(from, to);
                }
            }
        }
    }

    /** Limits the rate of one direction, from the first call on or anew. */
    void shape(int from, int to, int mbit) throws InterruptedException {
        String rate = String.format(Locale.ROOT, "%dmbit", mbit);
        require(
                run(
                        "tc",
                        "-n",
                        namespace(from),
                        "qdisc",
                        "replace",
                        "dev",
                        cable(from, to),
                        "root",
                        "tbf",
                        "rate",
                        rate,
                        "burst",
                        "64kb",
                        "limit",
                        "256kb"));
    }

    @Override
    public void close() throws InterruptedException {
        for (int place = 0; place < places; place++) {
            String _ = run("ip", "netns", "delete", namespace(place));
        }
    }

    private String build() throws InterruptedException {
        for (int place = 0; place < places; place++) {
            String failure = run("ip", "netns", "add", namespace(place));
            failure += ip(place, "address", "add", address(place) + "/32", "dev", "lo");
            failure += ip(place, "link", "set", "lo", "up");
            if (!failure.isEmpty()) {
                return failure;
            }
        }
        for (int a = 0; a < places; a++) {
            for (int b = a + 1; b < places; b++) {
                String failure = join(a, b);
                if (!failure.isEmpty()) {
                    return failure;
                }
            }
        }
        return "";
    }

    private String join(int a, int b) throws InterruptedException {
        String made =
                run(
                        "ip",
                        "link",
                        "add",
                        cable(a, b),
                        "netns",
                        namespace(a),
                        "type",
                        "veth",
                        "peer",
                        "name",
                        cable(b, a),
                        "netns",
                        namespace(b));
        return made
                + ip(a, "link", "set", cable(a, b), "up")
                + ip(b, "link", "set", cable(b, a), "up")
                + route(a, b)
                + route(b, a);
    }

    private String route(int from, int to) throws InterruptedException {
        return ip(
                from,
                "route",
                "replace",
                address(to) + "/32",
                "dev",
                cable(from, to),
                "src",
                address(from));
    }

    private String ip(int place, String... words) throws InterruptedException {
        List<String> line = new ArrayList<>(List.of("ip", "-n", namespace(place)));
        line.addAll(List.of(words));
        return run(line.toArray(String[]::new));
    }

    private String namespace(int place) {
        return name + "-" + place;
    }

    private static String cable(int from, int to) {
        return "v" + from + "to" + to;
    }

    private static void removeLeftOvers() throws InterruptedException {
        Path named = Path.of("/run/netns");
        if (!Files.isDirectory(named)) {
            return;
        }
        try (var all = Files.list(named)) {
            for (Path each : all.toList()) {
                String file = each.getFileName().toString();
                String pid = file.startsWith(PREFIX) ? file.split("-", -1)[1] : "self";
                if (!Files.exists(Path.of("/proc", pid))) {
                    String _ = run("ip", "netns", "delete", file);
                }
            }
        } catch (IOException e) {
            System.out.println("left-overs of network namespaces: " + e.getMessage());
        }
    }

    private static void require(String failure) {
        if (!failure.isEmpty()) {
            throw new AssertionError(failure);
        }
    }

    /** Runs a command; what it says when it fails, empty when it does not. */
    private static String run(String... command) throws InterruptedException {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            String said =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            boolean ended = process.waitFor(COMMAND_SECONDS, TimeUnit.SECONDS);
            boolean good = ended && process.exitValue() == 0;
            return good ? "" : String.join(" ", command) + ": " + said;
        } catch (IOException e) {
            return String.valueOf(e.getMessage());
        }
    }
}
