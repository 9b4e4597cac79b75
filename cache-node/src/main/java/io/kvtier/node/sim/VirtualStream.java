package io.kvtier.node.sim;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.GoodputEstimator;
import io.kvtier.client.PendingRequests;
import io.kvtier.client.StreamOptions;
import io.kvtier.client.StreamPace;
import io.kvtier.client.StreamPlan;
import io.kvtier.client.StreamedChunk;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.PartSet;
import io.kvtier.codec.plan.PlannedChunk;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The client's stream in virtual time: its plan, pace, estimator and pending requests are the
 * client's own; only the node, the link and the clock are not real.
 */
final class VirtualStream {
    /** How long the client waits for a reply before it looks again. */
    private static final long TICK_NANOS = 20_000_000;

    private final StreamCase request;
    private final VirtualNode node;
    private final GoodputEstimator estimator;
    private final PendingRequests pending;
    private final StreamPace pace;
    private final PartSet[] asked;
    private final PartSet[] arrived;
    private long now;
    private long bytes;
    private int numbers;

    VirtualStream(StreamCase request, StreamOptions options, long sliceBytes) {
        this.request = request;
        this.node = new VirtualNode(request, sliceBytes);
        this.estimator = new GoodputEstimator(ClientOptions.defaults().coldBytesPerSecond());
        estimator.hint(request.hintBytesPerSecond());
        estimator.roundTrip(request.roundTripNanos());
        this.pending = new PendingRequests(estimator, () -> now);
        int tokens = request.chunks().stream().mapToInt(chunk -> chunk.tokens()).sum();
        StreamPlan plan = new StreamPlan(estimator, options, tokens, () -> now);
        this.pace = new StreamPace(plan, pending, estimator, () -> now);
        this.asked = new PartSet[request.chunks().size()];
        this.arrived = new PartSet[request.chunks().size()];
        Arrays.fill(asked, PartSet.NONE);
        Arrays.fill(arrived, PartSet.NONE);
    }

    /** Runs to the end of the stream; then grades and bytes can be asked for. */
    VirtualStream run() {
        while (now < request.deadlineNanos() && fill()) {
            long next = Math.min(now + TICK_NANOS, request.deadlineNanos());
            now = Math.min(next, Math.max(now, node.nextNanos()));
            while (node.nextNanos() <= now) {
                take(node.take());
            }
        }
        return this;
    }

    /** Bytes of frames received. */
    long bytes() {
        return bytes;
    }

    /** What can be decoded of each chunk. */
    List<Grade> grades() {
        List<Grade> out = new ArrayList<>();
        for (int i = 0; i < arrived.length; i++) {
            out.add(arrived[i].grade(request.chunks().get(i)));
        }
        return out;
    }

    private boolean fill() {
        while (true) {
            StreamPace.Move move = pace.next(0, this::open, request.deadlineNanos() - now);
            switch (move) {
                case StreamPace.Move.TakeBack back -> back.numbers().forEach(this::takeBack);
                case StreamPace.Move.Ask ask -> ask(ask);
                case StreamPace.Move.Wait _ -> {
                    return true;
                }
                case StreamPace.Move.GiveUp _, StreamPace.Move.End _ -> {
                    return false;
                }
            }
        }
    }

    private List<StreamedChunk> open() {
        List<StreamedChunk> out = new ArrayList<>(asked.length);
        for (int i = 0; i < asked.length; i++) {
            out.add(
                    new StreamedChunk(
                            request.chunks().get(i), asked[i], arrived[i], request.importance(i)));
        }
        return out;
    }

    private void ask(StreamPace.Move.Ask ask) {
        int number = numbers++;
        int chunk = ask.chunk();
        long header = ask.partFrom() == 0 ? request.chunks().get(chunk).headerBytes() : 0;
        pending.add(
                number,
                new PendingRequests.Pending(chunk, ask.partFrom(), ask.partTo(), ask.bytes()));
        asked[chunk] = asked[chunk].with(ask.partFrom(), ask.partTo());
        node.request(number, ask.bytes() + header, now);
    }

    private void takeBack(int number) {
        PendingRequests.Pending taken = pending.get(number);
        int chunk = taken.chunk();
        PartSet rest = asked[chunk].without(taken.partFrom(), taken.partTo());
        asked[chunk] = new PartSet(rest.bits() | arrived[chunk].bits());
        pending.retract(number);
        node.takeBack(number, now);
    }

    private void take(VirtualNode.Reply reply) {
        bytes += reply.bytes();
        Optional<PendingRequests.Pending> of =
                pending.arrived(reply.number(), reply.bytes(), reply.last());
        if (of.isPresent() && reply.last() && reply.whole()) {
            int chunk = of.get().chunk();
            arrived[chunk] = arrived[chunk].with(of.get().partFrom(), of.get().partTo());
            asked[chunk] = asked[chunk].with(of.get().partFrom(), of.get().partTo());
        }
    }

    /** Weighted squared error that is left, of chunks that have all come. */
    double distortion() {
        double sum = 0;
        List<Grade> grades = grades();
        List<PlannedChunk> chunks = request.planned();
        for (int i = 0; i < chunks.size(); i++) {
            sum += chunks.get(i).distortion(grades.get(i));
        }
        return sum;
    }
}
