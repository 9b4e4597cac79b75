package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvtier.client.placement.Placement;
import io.kvtier.client.placement.PrefixGroup;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Member;
import io.kvtier.storage.policy.Trace;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier bench placement}: how evenly a trace falls on nodes. */
@Command(
        name = "placement",
        description = {
            "Place the blocks of a trace on nodes of equal weight.",
            "Printed is max/mean over the nodes of blocks held and of blocks read, the reads of a"
                    + " request going to one of each group's copies."
        },
        mixinStandardHelpOptions = true)
final class PlacementBenchCommand implements Callable<Integer> {
    private static final int NODES_MAX = 1000;

    @Option(
            names = "--trace",
            paramLabel = "FILE",
            required = true,
            description = "JSON lines with timestamp (ms) and hash_ids, as Mooncake's.")
    private Path file = Path.of("");

    @Option(names = "--nodes", defaultValue = "10", description = "How many (${DEFAULT-VALUE}).")
    private int nodes;

    @Option(
            names = "--block-tokens",
            defaultValue = "512",
            description = "Of the trace (${DEFAULT-VALUE}).")
    private int blockTokens;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        InvalidRequestException.check(
                nodes >= 1 && nodes <= NODES_MAX, "--nodes", nodes, "1.." + NODES_MAX);
        InvalidRequestException.check(blockTokens >= 1, "--block-tokens", blockTokens, "1 or more");
        Trace trace = TraceFile.read(file);
        ObjectNode root = new ObjectMapper().createObjectNode();
        root.put("nodes", nodes);
        for (int copies = 1; copies <= Math.min(3, nodes); copies++) {
            Load load = new Load(copies);
            trace.requests().forEach(load::add);
            root.withArray("copies")
                    .addObject()
                    .put("copies", copies)
                    .put("held", maxByMean(load.held))
                    .put("read", maxByMean(load.read));
        }
        if (json) {
            System.out.println(root);
            return ExitCode.OK;
        }
        root.path("copies")
                .forEach(
                        row ->
                                System.out.printf(
                                        "%d nodes, %d copies: max/mean of blocks held %.3f, of"
                                                + " blocks read %.3f%n",
                                        nodes,
                                        row.path("copies").asInt(),
                                        row.path("held").asDouble(),
                                        row.path("read").asDouble()));
        return ExitCode.OK;
    }

    /** What falls on each node. */
    private final class Load {
        final long[] held = new long[nodes];
        final long[] read = new long[nodes];
        private final Placement placement;
        private final Map<Long, int[]> owners = new HashMap<>();
        private final Set<Long> seen = new HashSet<>();

        Load(int copies) {
            List<Member> members =
                    IntStream.range(0, nodes)
                            .mapToObj(i -> Member.up("node-%03d".formatted(i), "", "", 100))
                            .toList();
            placement = new Placement(new ClusterMap(1, 1, copies, 2048, members));
        }

        void add(Trace.Request request) {
            long[] blocks = request.blocks();
            int size = PrefixGroup.chunksMax(placement.map(), blockTokens);
            for (PrefixGroup group : PrefixGroup.of(blocks.length, size)) {
                int[] of = owners.computeIfAbsent(blocks[group.from()], this::ownersOf);
                long turn = key(blocks[blocks.length - 1]).b() + group.from();
                read[of[(int) Math.floorMod(turn, (long) of.length)]] += group.chunks();
                for (int i = group.from(); i < group.to(); i++) {
                    if (seen.add(blocks[i])) {
                        for (int owner : of) {
                            held[owner]++;
                        }
                    }
                }
            }
        }

        private int[] ownersOf(long block) {
            return placement.owners(key(block)).stream()
                    .mapToInt(placement.map().members()::indexOf)
                    .toArray();
        }
    }

    private static Digest key(long block) {
        return Digest.sha256(ByteBuffer.allocate(Long.BYTES).putLong(block).array());
    }

    private static double maxByMean(long[] counts) {
        long sum = 0;
        long max = 0;
        for (long count : counts) {
            sum += count;
            max = Math.max(max, count);
        }
        return sum == 0 ? 1 : (double) max * counts.length / sum;
    }
}
