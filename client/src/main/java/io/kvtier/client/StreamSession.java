package io.kvtier.client;

import io.kvtier.client.Delivery.Cut;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.OverloadedException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.plan.PartSet;
import io.kvtier.codec.plan.Plan;
import io.kvtier.codec.wire.SegmentReply;
import io.kvtier.codec.wire.SegmentRequest;
import io.kvtier.codec.wire.StreamClaim;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One stream: asks for what the plan wants while the window has room, checks and passes on what
 * comes, plans anew with the time that is left, and ends by the deadline with what is usable.
 *
 * <p>Runs on the caller's thread; replies come through a queue that the window bounds.
 */
final class StreamSession implements SegmentLink.Listener {
    /** How long to wait for a reply before looking whether the plan still holds. */
    private static final long TICK_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    private final Function<Deadline, SegmentLink> links;
    private final ClientOptions options;
    private final StreamOptions stream;
    private final Deadline deadline;
    private final GoodputEstimator estimator;
    private final NanoClock clock;
    private final StreamPlan plan;
    private final StreamPace pace;
    private final List<ChunkIntake> chunks = new ArrayList<>();
    private final PendingRequests pending;
    private final Tasks.Mailbox<Event> events;
    private @Nullable SegmentLink link;
    private int streamNumber;
    private long askedBytes;
    private final List<Delivery.Asked> asked = new ArrayList<>();
    private long startNanos;
    private int retryMillis;
    private int reconnects;
    private int from;
    private int to;
    private boolean gaveUp;
    private Cut end = Cut.NONE;
    private String endMessage = "";
    private long bytes;

    private sealed interface Event {
        record Reply(SegmentReply reply, Payload payload) implements Event {}

        record Broken(KvtierException error) implements Event {}
    }

    /** A stream that begins now; its deadline is that of the last byte. */
    StreamSession(
            Match match,
            SegmentSink sink,
            Deadline deadline,
            StreamOptions stream,
            ClientOptions options,
            GoodputEstimator estimator,
            NanoClock clock,
            Tasks tasks,
            Function<Deadline, SegmentLink> links) {
        this.links = links;
        this.events = tasks.mailbox();
        this.options = options;
        this.stream = stream;
        this.deadline = deadline;
        this.estimator = estimator;
        this.clock = clock;
        this.pending = new PendingRequests(estimator, clock);
        Digest namespace = match.namespace().digest();
        for (int i = 0; i < match.chunks().size(); i++) {
            chunks.add(
                    new ChunkIntake(
                            i, match, namespace, options.decodeLimits(), sink, stream.rungMax()));
        }
        this.to = chunks.size();
        this.plan = new StreamPlan(estimator, stream, match.promptTokens(), clock);
        this.pace = new StreamPace(plan, pending, estimator, clock);
    }

    /** Streams until all that the plan wants is there, or the deadline. */
    Delivery run() {
        startNanos = clock.nanoTime();
        try {
            Plan first = currentPlan();
            long computeNanos = plan.computeNanos();
            while (fill() && !Thread.currentThread().isInterrupted()) {
                Event event = poll();
                if (event != null) {
                    handle(event);
                }
            }
            return delivery(first, computeNanos, clock.nanoTime() - startNanos);
        } finally {
            pending.clear().forEach(this::cancel);
            drain();
        }
    }

    @Override
    public void reply(SegmentReply reply, Payload payload) {
        events.add(new Event.Reply(reply, payload));
    }

    @Override
    public void broken(KvtierException error) {
        events.add(new Event.Broken(error));
    }

    /** Asks for more while the window has room; false when there is nothing left to wait for. */
    private boolean fill() {
        while (!deadline.isOver()) {
            StreamPace.Move move = pace.next(from, this::streamed, deadline.nanosLeft());
            switch (move) {
                case StreamPace.Move.TakeBack back -> back.numbers().forEach(this::takeBack);
                case StreamPace.Move.Ask ask -> {
                    if (!request(ask)) {
                        return false;
                    }
                }
                case StreamPace.Move.Wait _ -> {
                    return true;
                }
                case StreamPace.Move.GiveUp gone -> {
                    giveUp(gone.plan());
                    return false;
                }
                case StreamPace.Move.End _ -> {
                    return false;
                }
            }
        }
        return false;
    }

    private Plan currentPlan() {
        return plan.current(this::streamed, pending.underWay(), deadline.nanosLeft());
    }

    private List<StreamedChunk> streamed() {
        int count = chunks.size();
        return open().stream().map(chunk -> chunk.streamed(count)).toList();
    }

    /** What the plan does not ask for any more need not come. */
    private void takeBack(int number) {
        PendingRequests.Pending request = pending.get(number);
        chunks.get(request.chunk()).takeBack(request.partFrom(), request.partTo());
        askedBytes -= request.bytes();
        pending.retract(number);
        retract(number);
    }

    /** Nothing more is worth waiting for. */
    private void giveUp(Plan current) {
        Cut reason =
                switch (current.limit()) {
                    case LOSS -> Cut.LOSS;
                    case STALLED -> Cut.STALLED;
                    default -> Cut.SLOWER;
                };
        String message =
                "computing takes %d ms, the link gives %.1f Mbit/s at least"
                        .formatted(
                                plan.computeNanos() / 1_000_000,
                                estimator.bytesPerSecond(clock.nanoTime()) * 8e-6);
        gaveUp = true;
        end = reason;
        endMessage = message;
        chunks.forEach(chunk -> chunk.cut(reason));
    }

    /** Sends one request; false when the node cannot be reached any more. */
    private boolean request(StreamPace.Move.Ask ask) {
        ChunkIntake chunk = chunks.get(ask.chunk());
        while (true) {
            try {
                SegmentLink current = connected();
                int number = current.register(this);
                pending.add(
                        number,
                        new PendingRequests.Pending(
                                ask.chunk(), ask.partFrom(), ask.partTo(), ask.bytes()));
                StreamClaim claim = claim(ask, chunk);
                chunk.request(ask.partFrom(), ask.partTo());
                current.send(
                        new SegmentRequest(
                                number,
                                chunk.key(),
                                chunk.directory().encodingId(),
                                ask.partFrom(),
                                ask.partTo(),
                                ask.partFrom() == 0,
                                SegmentRequest.ALL_HEADS,
                                deadline.nanosLeft(),
                                claim),
                        deadline);
                return true;
            } catch (KvtierException e) {
                if (!reconnect(e)) {
                    return false;
                }
            }
        }
    }

    /** Notes a request; its claim is by the plan, which does not count it as asked for yet. */
    private StreamClaim claim(StreamPace.Move.Ask ask, ChunkIntake chunk) {
        List<StreamedChunk> open = streamed();
        StreamClaim out = plan.claim(streamNumber, askedBytes, open);
        long now = clock.nanoTime();
        asked.add(
                new Delivery.Asked(
                        now - startNanos,
                        ask.chunk(),
                        ask.partFrom(),
                        ask.partTo(),
                        estimator.bytesPerSecond(now),
                        plan.bytesWanted(open)));
        askedBytes += ask.bytes() + (ask.partFrom() == 0 ? chunk.directory().headerBytes() : 0);
        return out;
    }

    private SegmentLink connected() {
        SegmentLink current = link;
        if (current == null) {
            current = links.apply(deadline);
            link = current;
            streamNumber = current.nextStream();
            askedBytes = 0;
        }
        return current;
    }

    /** Drops the broken link; what had not come will be asked for again. */
    private boolean reconnect(KvtierException error) {
        link = null;
        List<Integer> _ = pending.clear();
        chunks.forEach(ChunkIntake::forgetRequests);
        plan.invalidate();
        if (error instanceof OverloadedException refusal) {
            refused(Math.clamp(refusal.retryAfter().toMillis(), 1, Integer.MAX_VALUE));
            endAt(firstUnusable(), Cut.OVERLOADED, String.valueOf(error.getMessage()));
            return false;
        }
        if (reconnects++ < options.reconnectsMax() && !deadline.isOver()) {
            return true;
        }
        Cut reason = deadline.isOver() ? Cut.DEADLINE : Cut.CONNECTION;
        endAt(firstUnusable(), reason, String.valueOf(error.getMessage()));
        chunks.forEach(chunk -> chunk.cut(reason));
        return false;
    }

    private void refused(int millis) {
        retryMillis = Math.max(retryMillis, millis);
    }

    private @Nullable Event poll() {
        try {
            return events.poll(Math.min(TICK_NANOS, deadline.nanosLeft()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return null;
        }
    }

    private void handle(Event event) {
        switch (event) {
            case Event.Broken broken -> {
                if (!reconnect(broken.error())) {
                    chunks.forEach(each -> each.holdsOnly(1));
                }
            }
            case Event.Reply reply -> {
                try (Payload payload = reply.payload()) {
                    handle(reply.reply(), payload);
                }
            }
        }
    }

    private void handle(SegmentReply reply, Payload payload) {
        long size = payload.bytes().byteSize();
        bytes += size;
        estimator.hint(reply.bytesPerSecond());
        boolean awaited = pending.isAwaited(reply.request());
        Optional<PendingRequests.Pending> of = pending.arrived(reply.request(), size, reply.last());
        // Of a request that was taken back, what comes all the same is as good.
        if (of.isEmpty() || (!awaited && reply.status() != SegmentReply.Status.DATA)) {
            return;
        }
        PendingRequests.Pending request = of.get();
        switch (reply.status()) {
            case DATA -> accept(reply, payload, request);
            case OTHER_ENCODING -> restart(request.chunk(), reply.encodingId(), reply.message());
            case MISS -> endAt(request.chunk(), Cut.MISS, reply.message());
            case BAD_REQUEST -> stop(request, Cut.NOT_HELD, reply.message());
            case OVERLOADED -> {
                refused(reply.retryMillis());
                stop(request, Cut.OVERLOADED, reply.message());
            }
            case CANCELLED -> stop(request, Cut.DEADLINE, reply.message());
        }
    }

    private void accept(SegmentReply reply, Payload payload, PendingRequests.Pending request) {
        try {
            chunks.get(request.chunk()).accept(reply, payload.bytes());
        } catch (CorruptChunkException | InvalidRequestException e) {
            stop(request, Cut.CORRUPT, String.valueOf(e.getMessage()));
        }
    }

    /** Another encoding took the chunk's place: from rung 0 again, under its id alone. */
    private void restart(int index, Digest encodingId, String message) {
        cancelPendingOf(index, index);
        ChunkIntake chunk = chunks.get(index);
        chunk.restart(encodingId);
        plan.invalidate();
        if (chunk.restarts() > options.restartsMax()) {
            endAt(index, Cut.ENCODING_CHANGED, message);
        }
    }

    /** A request fails for good: without its base a chunk is a gap, else it stays as it is. */
    private void stop(PendingRequests.Pending request, Cut reason, String message) {
        ChunkIntake chunk = chunks.get(request.chunk());
        plan.invalidate();
        if (!chunk.arrived().has(0)) {
            endAt(request.chunk(), reason, message);
        } else {
            cancelPendingOf(request.chunk(), request.chunk());
            chunk.cut(reason);
            chunk.holdsOnly(request.partFrom());
        }
    }

    /** Chunk {@code index} will not be delivered, nor any that are of no use without it. */
    private void endAt(int index, Cut reason, String message) {
        if (index < from || index >= to) {
            return;
        }
        if (stream.model().fromTheBack()) {
            cancelPendingOf(from, index);
            from = index + 1;
        } else {
            cancelPendingOf(index, to - 1);
            to = index;
        }
        end = reason;
        endMessage = message;
        plan.invalidate();
    }

    /** Chunks that may still be delivered. */
    private List<ChunkIntake> open() {
        return chunks.subList(from, to);
    }

    /** The n-th open chunk in sending order. */
    private int inOrder(int n) {
        return stream.model().fromTheBack() ? to - 1 - n : from + n;
    }

    /** Of the open chunks in sending order the first that cannot be used, -1 when all can. */
    private int firstUnusable() {
        for (int n = 0; n < to - from; n++) {
            if (!chunks.get(inOrder(n)).isUsable(stream.loss())) {
                return inOrder(n);
            }
        }
        return -1;
    }

    private void cancelPendingOf(int first, int last) {
        pending.numbers(request -> request.chunk() >= first && request.chunk() <= last)
                .forEach(
                        number -> {
                            pending.remove(number);
                            cancel(number);
                        });
    }

    private void cancel(int number) {
        SegmentLink current = link;
        if (current != null) {
            retract(number);
            current.forget(number);
        }
    }

    private void retract(int number) {
        SegmentLink current = link;
        if (current == null) {
            return;
        }
        try {
            current.cancel(number, deadline);
        } catch (KvtierException e) {
            // The link is broken or full: the node finds out by itself, replies are dropped here.
            current.forget(number);
        }
    }

    private void drain() {
        for (Event event = events.poll(); event != null; event = events.poll()) {
            if (event instanceof Event.Reply reply) {
                reply.payload().close();
            }
        }
    }

    private Delivery delivery(Plan first, long computeNanos, long elapsedNanos) {
        int delivered =
                stream.model().usable(asked(), n -> chunks.get(inOrder(n)).isUsable(stream.loss()));
        Cut otherwise = deadline.isOver() ? Cut.DEADLINE : Cut.LINK;
        if (delivered < to - from && !gaveUp) {
            end = otherwise == Cut.LINK && stream.recompute().isKnown() ? Cut.SLOWER : otherwise;
        }
        int firstIndex = stream.model().fromTheBack() ? to - delivered : from;
        List<Delivery.Chunk> out = new ArrayList<>(delivered);
        for (ChunkIntake chunk : chunks.subList(firstIndex, firstIndex + delivered)) {
            out.add(chunk.delivered(otherwise));
        }
        return new Delivery(
                chunks.size(),
                plan.admitted(),
                firstIndex,
                out,
                end,
                endMessage,
                bytes,
                elapsedNanos,
                estimator.bytesPerSecond(clock.nanoTime()),
                first.nanos(),
                computeNanos,
                asked,
                retryMillis);
    }

    /** How many open chunks were asked for, in sending order. */
    private int asked() {
        int count = 0;
        while (count < to - from && !chunks.get(inOrder(count)).requested().equals(PartSet.NONE)) {
            count++;
        }
        return count;
    }
}
