package io.kvtier.client;

import io.kvtier.client.Delivery.Cut;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.plan.Importance;
import io.kvtier.codec.plan.PartSet;
import io.kvtier.codec.plan.Recompute;
import io.kvtier.codec.wire.ChunkDirectory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One stream from several nodes: to each goes a stream of its own for the chunks that it is to
 * bring, side by side, and their prefix is the delivery. When a node fails, lacks a chunk, or says
 * nothing for a while, the chunks it owes are asked of their other holders, by the same deadline.
 *
 * <p>Runs on the caller's thread, from which alone the sink is called.
 */
final class ClusterStream {
    /* Each node's stream plans for itself, by its own link's estimate. Whether fetching pays at all
     * is asked once, in front, of all links together; from then on every chunk is worth having.
     */
    private static final long TICK_NANOS = TimeUnit.MILLISECONDS.toNanos(10);
    private static final long SILENCE_NANOS_MIN = TimeUnit.MILLISECONDS.toNanos(250);
    private static final long END_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final ClusterNodes nodes;
    private final Match match;
    private final Deadline deadline;
    private final StreamOptions stream;
    private final ClientOptions options;
    private final NanoClock clock;
    private final Tasks tasks;
    private final SinkRelay relay;
    private final Tasks.Mailbox<Ended> ended;
    private final List<Run> running = new ArrayList<>();
    private final int[] tried;
    private final Delivery.@Nullable Chunk[] delivered;
    private final Cut[] cuts;
    private final String[] messages;
    private long startNanos;
    private int streams;
    private long bytes;
    private int admitted;
    private long plannedNanos;
    private final List<Delivery.Asked> asked = new ArrayList<>();
    private int retryMillis;

    /** A stream to one node. */
    private static final class Run {
        final int number;
        final NodeConnection node;
        final List<Integer> indexes;
        Tasks.@Nullable Task task;
        final long startNanos;
        long heardNanos;
        boolean isHedged;

        Run(int number, NodeConnection node, List<Integer> indexes, long heardNanos) {
            this.number = number;
            this.node = node;
            this.indexes = indexes;
            this.startNanos = heardNanos;
            this.heardNanos = heardNanos;
        }
    }

    private record Ended(Run run, @Nullable Delivery delivery, @Nullable KvtierException error) {}

    ClusterStream(
            ClusterNodes nodes,
            Match match,
            Deadline deadline,
            StreamOptions stream,
            ClientOptions options,
            SegmentSink sink,
            Tasks tasks,
            NanoClock clock) {
        int chunks = match.chunks().size();
        this.nodes = nodes;
        this.match = match;
        this.deadline = deadline;
        this.stream = stream;
        this.options = options;
        this.clock = clock;
        this.tasks = tasks;
        this.ended = tasks.mailbox();
        this.relay = new SinkRelay(sink, chunks, tasks);
        this.tried = new int[chunks];
        this.delivered = new Delivery.Chunk[chunks];
        this.cuts = new Cut[chunks];
        this.messages = new String[chunks];
        java.util.Arrays.fill(cuts, Cut.NONE);
        java.util.Arrays.fill(messages, "");
    }

    Delivery run() {
        long start = clock.nanoTime();
        startNanos = start;
        List<Integer> all = new ArrayList<>();
        for (int i = 0; i < match.chunks().size(); i++) {
            all.add(i);
        }
        StreamPlan gate =
                new StreamPlan(
                        new GoodputEstimator(Math.max(1, bytesPerSecond())),
                        stream,
                        match.promptTokens(),
                        clock);
        if (gate.current(this::whole, StreamPlan.UnderWay.NOTHING, deadline.nanosLeft())
                .isRecompute()) {
            return delivery(Cut.SLOWER, "computing is done sooner", gate.computeNanos(), start);
        }
        try {
            open(all);
            while (!running.isEmpty() && !isOver()) {
                SinkRelay.Call call = relay.poll(TICK_NANOS);
                if (call != null) {
                    heard(call.stream());
                    relay.run(call);
                }
                for (Ended each = ended.poll(); each != null; each = ended.poll()) {
                    end(each);
                }
                hedge();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            running.forEach(ClusterStream::cancel);
            relay.drain();
            awaitEnds();
        }
        Cut otherwise = deadline.isOver() ? Cut.DEADLINE : Cut.LINK;
        return delivery(otherwise, "", gate.computeNanos(), start);
    }

    /** Streams itself end by the deadline; this is for one that does not. */
    private boolean isOver() {
        return Thread.currentThread().isInterrupted() || deadline.isOverBy(END_NANOS);
    }

    /** Begins streams to the next holders of these chunks. */
    private void open(List<Integer> indexes) {
        Map<NodeConnection, List<Integer>> parts = new LinkedHashMap<>();
        Map<NodeConnection, List<ChunkDirectory>> directories = new LinkedHashMap<>();
        for (int index : indexes) {
            List<Holder> holders = match.holders().get(index);
            if (tried[index] < holders.size()) {
                Holder holder = holders.get(tried[index]++);
                NodeConnection node = nodes.connection(holder.endpoint());
                parts.computeIfAbsent(node, _ -> new ArrayList<>()).add(index);
                directories.computeIfAbsent(node, _ -> new ArrayList<>()).add(holder.directory());
            }
        }
        parts.forEach(
                (node, of) -> {
                    Run run = new Run(streams++, node, of, clock.nanoTime());
                    Match part = match.part(of, directories.getOrDefault(node, List.of()));
                    running.add(run);
                    run.task = tasks.start(() -> ended.add(stream(run, part)));
                });
    }

    private Ended stream(Run run, Match part) {
        try {
            StreamSession session =
                    new StreamSession(
                            part,
                            relay.of(run.number, run.indexes),
                            deadline,
                            stream.withRecompute(Recompute.UNKNOWN),
                            options,
                            run.node.estimator(),
                            clock,
                            tasks,
                            _ -> run.node.link(match.namespace().digest()));
            return new Ended(run, session.run(), null);
        } catch (KvtierException e) {
            return new Ended(run, null, e);
        }
    }

    private void heard(int number) {
        for (Run run : running) {
            if (run.number == number) {
                run.heardNanos = clock.nanoTime();
                run.isHedged = false;
            }
        }
    }

    /** Takes what a stream brought, and asks others for what it did not. */
    private void end(Ended each) {
        Run run = each.run();
        running.remove(run);
        Delivery brought = each.delivery();
        Cut cut = Cut.CONNECTION;
        String message = each.error() == null ? "" : String.valueOf(each.error().getMessage());
        if (brought != null) {
            bytes += brought.bytes();
            note(run, brought.asked());
            admitted += brought.admitted();
            plannedNanos = Math.max(plannedNanos, brought.plannedNanos());
            cut = brought.end();
            message = brought.endMessage();
            for (int i = 0; i < brought.delivered(); i++) {
                int index = run.indexes.get(brought.first() + i);
                if (relay.owns(run.number, index)) {
                    delivered[index] = brought.chunks().get(i);
                }
            }
        }
        List<Integer> missing = new ArrayList<>();
        for (int index : run.indexes) {
            if (delivered[index] == null) {
                relay.release(run.number, index);
                cuts[index] = cut;
                messages[index] = message;
                missing.add(index);
            }
        }
        boolean failed = cut == Cut.CONNECTION;
        if (failed) {
            nodes.failed(run.node);
        }
        if (brought != null && cut == Cut.OVERLOADED) {
            retryMillis = Math.max(retryMillis, brought.retryMillis());
            run.node.suspectFor(TimeUnit.MILLISECONDS.toNanos(brought.retryMillis()));
        }
        boolean others =
                failed
                        || cut == Cut.MISS
                        || cut == Cut.CORRUPT
                        || cut == Cut.OVERLOADED
                        || cut == Cut.NOT_HELD
                        || cut == Cut.ENCODING_CHANGED;
        if (others && !deadline.isOver()) {
            missing.removeIf(this::isUnderWay);
            open(missing);
        }
    }

    /** What one of the streams asked for, by the whole stream's clock and indexes. */
    private void note(Run run, List<Delivery.Asked> requests) {
        for (Delivery.Asked each : requests) {
            asked.add(
                    new Delivery.Asked(
                            run.startNanos - startNanos + each.nanos(),
                            run.indexes.get(each.chunk()),
                            each.partFrom(),
                            each.partTo(),
                            each.bytesPerSecond(),
                            each.plannedBytes()));
        }
        asked.sort(Comparator.comparingLong(Delivery.Asked::nanos));
    }

    private boolean isUnderWay(int index) {
        return running.stream().anyMatch(run -> run.indexes.contains(index));
    }

    /** A node that is silent may be slow, or gone: its chunks are asked of others as well. */
    private void hedge() {
        long now = clock.nanoTime();
        for (Run run : List.copyOf(running)) {
            long patience = Math.max(SILENCE_NANOS_MIN, 8 * run.node.estimator().roundTripNanos());
            if (!run.isHedged && now - run.heardNanos > patience) {
                run.isHedged = true;
                open(run.indexes.stream().filter(index -> delivered[index] == null).toList());
            }
        }
    }

    private static void cancel(Run run) {
        Tasks.Task task = run.task;
        if (task != null) {
            task.cancel();
        }
    }

    /** A moment for cancelled streams to let go of what they hold. */
    private void awaitEnds() {
        long end = clock.nanoTime() + END_NANOS;
        boolean interrupted = Thread.interrupted();
        try {
            while (!running.isEmpty() && end - clock.nanoTime() > 0) {
                Ended each = ended.poll(TICK_NANOS);
                relay.drain();
                if (each != null) {
                    running.remove(each.run());
                }
            }
        } catch (InterruptedException e) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private double bytesPerSecond() {
        return match.holders().stream()
                .map(holders -> nodes.connection(holders.getFirst().endpoint()))
                .distinct()
                .mapToDouble(node -> node.estimator().bytesPerSecond())
                .sum();
    }

    /** All chunks, of which nothing was asked for yet. */
    private List<StreamedChunk> whole() {
        int count = match.chunks().size();
        List<StreamedChunk> out = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            Importance importance = Importance.byPosition(i, count);
            out.add(
                    new StreamedChunk(
                            match.chunks().get(i), PartSet.NONE, PartSet.NONE, importance));
        }
        return out;
    }

    private Delivery delivery(Cut otherwise, String message, long computeNanos, long start) {
        int count = delivered.length;
        boolean fromTheBack = stream.model().fromTheBack();
        int usable =
                stream.model()
                        .usable(count, n -> delivered[fromTheBack ? count - 1 - n : n] != null);
        int first = fromTheBack ? count - usable : 0;
        List<Delivery.Chunk> out = new ArrayList<>();
        for (int i = first; i < first + usable; i++) {
            Delivery.Chunk chunk = delivered[i];
            if (chunk != null) {
                out.add(chunk);
            }
        }
        Cut end = Cut.NONE;
        String why = "";
        if (usable < count) {
            int missing = fromTheBack ? first - 1 : usable;
            end = cuts[missing] == Cut.NONE ? otherwise : cuts[missing];
            why = messages[missing].isEmpty() ? message : messages[missing];
        }
        return new Delivery(
                count,
                Math.min(count, admitted),
                first,
                out,
                end,
                why,
                bytes,
                clock.nanoTime() - start,
                bytesPerSecond(),
                plannedNanos,
                computeNanos,
                asked,
                retryMillis);
    }
}
