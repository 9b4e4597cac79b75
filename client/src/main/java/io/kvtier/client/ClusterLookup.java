package io.kvtier.client;

import io.kvtier.client.placement.Placement;
import io.kvtier.client.placement.PrefixGroup;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.codec.wire.GroupLookup;
import io.kvtier.codec.wire.LookupReply;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One lookup of a chain: all owners of all its groups are asked at once, and the longest prefix
 * that they hold together is the match.
 *
 * <p>A node that fails or does not answer is as one that holds nothing; only when nobody answers is
 * that an error.
 */
final class ClusterLookup {
    private static final long MORE_NANOS_MAX = TimeUnit.MILLISECONDS.toNanos(25);

    private final ClusterNodes nodes;
    private final Digest namespace;
    private final List<Digest> keys;
    private final Deadline deadline;
    private final Tasks tasks;
    private final NanoClock clock;
    private final List<PrefixGroup> groups;
    private final List<List<NodeConnection>> readers = new ArrayList<>();
    private final Map<NodeConnection, List<Integer>> asked = new LinkedHashMap<>();
    private final Map<NodeConnection, Map<Integer, List<ChunkDirectory>>> held = new HashMap<>();
    private final Tasks.Mailbox<Answer> answers;
    private final List<NodeConnection> waiting = new ArrayList<>();
    private @Nullable KvtierException error;

    private record Answer(
            NodeConnection node, List<LookupReply> replies, @Nullable KvtierException error) {}

    ClusterLookup(
            ClusterNodes nodes,
            Placement placement,
            Digest namespace,
            List<Digest> keys,
            int chunkTokens,
            Deadline deadline,
            Tasks tasks,
            NanoClock clock) {
        this.nodes = nodes;
        this.namespace = namespace;
        this.keys = keys;
        this.deadline = deadline;
        this.tasks = tasks;
        this.answers = tasks.mailbox();
        this.clock = clock;
        this.groups =
                PrefixGroup.of(keys.size(), PrefixGroup.chunksMax(placement.map(), chunkTokens));
        for (int i = 0; i < groups.size(); i++) {
            List<NodeConnection> of =
                    placement.readers(keys.get(groups.get(i).from())).stream()
                            .map(nodes::of)
                            .toList();
            readers.add(of);
            for (NodeConnection node : of) {
                asked.computeIfAbsent(node, _ -> new ArrayList<>()).add(i);
            }
        }
    }

    /**
     * Holders of each chunk of the longest prefix; behind those that said so, owners that did not
     * answer yet and may well hold it.
     */
    List<List<Holder>> run() {
        asked.forEach(
                (node, of) -> {
                    Tasks.Task _ = tasks.start(() -> answers.add(ask(node, of)));
                });
        waiting.addAll(asked.keySet());
        // Half of the time at most for finding out, the rest is for what was found.
        long start = clock.nanoTime();
        long patience = start + deadline.nanosLeft() / 2;
        while (isWorthWaiting()) {
            if (!take(patience - clock.nanoTime())) {
                waiting.stream().filter(each -> !each.isSuspect()).forEach(nodes::failed);
                break;
            }
        }
        // More holders share the work better: they get as long again, and not long.
        long now = clock.nanoTime();
        long end = now + Math.min(now - start, MORE_NANOS_MAX);
        while (waiting.stream().anyMatch(each -> !each.isSuspect())
                && take(end - clock.nanoTime())) {}
        if (held.isEmpty() && !asked.isEmpty()) {
            KvtierException last = error;
            throw last != null ? last : new UnavailableException("no owner answered in time");
        }
        return holders();
    }

    private Answer ask(NodeConnection node, List<Integer> of) {
        try {
            List<List<Digest>> asking = new ArrayList<>();
            for (int group : of) {
                asking.add(keys.subList(groups.get(group).from(), groups.get(group).to()));
            }
            byte[] body = new GroupLookup(namespace, asking).toBytes();
            long start = clock.nanoTime();
            List<LookupReply> replies =
                    node.results("lookup-groups", body, deadline).stream()
                            .map(reply -> LookupReply.parse(ByteBuffer.wrap(reply)))
                            .toList();
            node.estimator().roundTrip(clock.nanoTime() - start);
            if (replies.size() != of.size()) {
                throw new UnavailableException(
                        "node " + node.endpoint() + " answered " + replies.size() + " of " + of);
            }
            return new Answer(node, replies, null);
        } catch (KvtierException e) {
            return new Answer(node, List.of(), e);
        }
    }

    private void accept(Answer answer) {
        Map<Integer, List<ChunkDirectory>> of = new HashMap<>();
        List<Integer> groupsAsked = asked.getOrDefault(answer.node(), List.of());
        for (int i = 0; i < groupsAsked.size(); i++) {
            LookupReply reply = answer.replies().get(i);
            int group = groupsAsked.get(i);
            int most = Math.min(reply.chunks().size(), groups.get(group).chunks());
            of.put(group, reply.chunks().subList(0, most));
            answer.node().estimator().hint(reply.bytesPerSecond());
        }
        held.put(answer.node(), of);
    }

    /** Whether an answer that is missing could make the prefix longer. */
    private boolean isWorthWaiting() {
        for (int group = 0; group < groups.size(); group++) {
            if (longest(group) == groups.get(group).chunks()) {
                continue;
            }
            List<NodeConnection> of = readers.get(group);
            boolean anyTrusted = of.stream().anyMatch(node -> !node.isSuspect());
            for (NodeConnection node : of) {
                if (waiting.contains(node) && (!node.isSuspect() || !anyTrusted)) {
                    return true;
                }
            }
            return false;
        }
        return false;
    }

    private int longest(int group) {
        return held.values().stream()
                .mapToInt(of -> of.getOrDefault(group, List.of()).size())
                .max()
                .orElse(0);
    }

    /** Takes in the next answer; false when none comes in time. */
    private boolean take(long nanos) {
        Answer answer;
        try {
            answer = answers.poll(Math.max(0, nanos));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
        if (answer == null) {
            return false;
        }
        waiting.remove(answer.node());
        if (answer.error() != null) {
            error = answer.error();
            nodes.failed(answer.node());
        } else {
            accept(answer);
        }
        return true;
    }

    /**
     * The chunks of each group come from one node, as far as it has them; among those that hold
     * equally much the nodes share the work by what their links give.
     */
    private List<List<Holder>> holders() {
        List<List<Holder>> out = new ArrayList<>();
        Map<NodeConnection, Double> seconds = new HashMap<>();
        for (int group = 0; group < groups.size(); group++) {
            int longest = longest(group);
            List<NodeConnection> order = new ArrayList<>(readers.get(group));
            int of = group;
            order.removeIf(node -> directories(node, of).isEmpty());
            if (order.size() > 1) { // so that requests for what all have in common spread, too
                Collections.rotate(order, Math.floorMod(keys.getLast().b() + of, order.size()));
            }
            order.sort(
                    Comparator.comparingLong((NodeConnection node) -> -partsHeld(node, of))
                            .thenComparingDouble(
                                    node ->
                                            seconds.getOrDefault(node, 0.0)
                                                    + bytes(node, of) / rate(node)));
            if (!order.isEmpty()) {
                NodeConnection first = order.getFirst();
                double more = bytes(first, of) / rate(first);
                seconds.merge(first, more, Double::sum);
            }
            for (int i = 0; i < longest; i++) {
                List<Holder> chunk = new ArrayList<>();
                for (NodeConnection node : order) {
                    List<ChunkDirectory> directories = directories(node, of);
                    if (i < directories.size()) {
                        chunk.add(new Holder(node.endpoint(), directories.get(i)));
                    }
                }
                ChunkDirectory likely = chunk.getFirst().directory();
                readers.get(group).stream()
                        .filter(waiting::contains)
                        .forEach(node -> chunk.add(new Holder(node.endpoint(), likely)));
                out.add(chunk);
            }
            if (longest < groups.get(group).chunks()) {
                break;
            }
        }
        return out;
    }

    private List<ChunkDirectory> directories(NodeConnection node, int group) {
        return held.getOrDefault(node, Map.of()).getOrDefault(group, List.of());
    }

    private long partsHeld(NodeConnection node, int group) {
        return directories(node, group).stream().mapToLong(ChunkDirectory::partsHeld).sum();
    }

    private double bytes(NodeConnection node, int group) {
        return directories(node, group).stream()
                .flatMap(chunk -> chunk.parts().subList(0, chunk.partsHeld()).stream())
                .mapToLong(ChunkDirectory.Entry::bytes)
                .sum();
    }

    private double rate(NodeConnection node) {
        return node.estimator().bytesPerSecond();
    }
}
