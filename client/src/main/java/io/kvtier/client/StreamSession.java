package io.kvtier.client;

import io.kvtier.client.Delivery.Cut;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.plan.Plan;
import io.kvtier.codec.plan.SendOrder;
import io.kvtier.codec.wire.SegmentReply;
import io.kvtier.codec.wire.SegmentRequest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One stream: asks for what the plan wants while the window has room, checks and passes on what
 * comes, plans anew with the time that is left, and ends by the deadline with a usable prefix.
 *
 * <p>Runs on the caller's thread; replies come through a queue that the window bounds.
 */
final class StreamSession implements SegmentLink.Listener {
    private final Function<Deadline, SegmentLink> links;
    private final ClientOptions options;
    private final Deadline deadline;
    private final GoodputEstimator estimator;
    private final NanoClock clock;
    private final StreamPlan plan;
    private final List<ChunkIntake> chunks = new ArrayList<>();
    private final Map<Integer, Pending> pending = new HashMap<>();
    private final LinkedBlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private @Nullable SegmentLink link;
    private int reconnects;
    private int usable;
    private Cut end = Cut.NONE;
    private String endMessage = "";
    private long bytes;
    private long outstandingBytes;

    private record Pending(int chunk, int partFrom, int partTo, long bytes) {}

    private sealed interface Event {
        record Reply(SegmentReply reply, Payload payload) implements Event {}

        record Broken(KvtierException error) implements Event {}
    }

    StreamSession(
            Match match,
            SegmentSink sink,
            Deadline deadline,
            StreamOptions stream,
            ClientOptions options,
            GoodputEstimator estimator,
            NanoClock clock,
            Function<Deadline, SegmentLink> links) {
        this.links = links;
        this.options = options;
        this.deadline = deadline;
        this.estimator = estimator;
        this.clock = clock;
        Digest namespace = match.namespace().digest();
        for (int i = 0; i < match.chunks().size(); i++) {
            chunks.add(
                    new ChunkIntake(
                            i, match, namespace, options.decodeLimits(), sink, stream.rungMax()));
        }
        this.usable = chunks.size();
        this.plan = new StreamPlan(estimator, stream.decodeNanosPerChunk(), clock);
    }

    /** Streams until all that the plan wants is there, or the deadline. */
    Delivery run() {
        long start = clock.nanoTime();
        int admitted = 0;
        try {
            admitted = plan.current(usableChunks(), outstandingBytes, deadline).chunks();
            while (fill()) {
                Event event = poll();
                if (event == null) {
                    break;
                }
                handle(event);
            }
            return delivery(admitted, clock.nanoTime() - start);
        } finally {
            cancelPending();
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
            List<ChunkIntake> open = usableChunks();
            Plan current = plan.current(open, outstandingBytes, deadline);
            Optional<SendOrder.Item> next =
                    SendOrder.next(
                            current,
                            open.stream().map(ChunkIntake::directory).toList(),
                            open.stream().map(ChunkIntake::requested).toList());
            if (next.isEmpty()) {
                if (!pending.isEmpty()) {
                    return true;
                }
                if (plan.isFresh()) {
                    return false;
                }
                // Before the end, ask once more: a header may have told of more parts, or the link
                // turned out faster.
                plan.invalidate();
                continue;
            }
            ChunkIntake chunk = chunks.get(next.get().chunk());
            long cost = next.get().bytes(chunk.directory());
            boolean room = outstandingBytes + cost <= estimator.windowBytes();
            if (!pending.isEmpty() && !room) {
                return true;
            }
            if (!request(next.get(), cost)) {
                return false;
            }
        }
        return false;
    }

    /** Sends one request; false when the node cannot be reached any more. */
    private boolean request(SendOrder.Item item, long cost) {
        ChunkIntake chunk = chunks.get(item.chunk());
        while (true) {
            try {
                SegmentLink current = connected();
                int number = current.register(this);
                pending.put(
                        number, new Pending(item.chunk(), item.partFrom(), item.partTo(), cost));
                outstandingBytes += cost;
                estimator.sent(clock.nanoTime());
                chunk.request(item.partFrom(), item.partTo());
                current.send(
                        new SegmentRequest(
                                number,
                                chunk.key(),
                                chunk.directory().encodingId(),
                                item.partFrom(),
                                item.partTo(),
                                item.partFrom() == 0,
                                SegmentRequest.ALL_HEADS,
                                deadline.nanosLeft()),
                        deadline);
                return true;
            } catch (KvtierException e) {
                if (!reconnect(e)) {
                    return false;
                }
            }
        }
    }

    private SegmentLink connected() {
        SegmentLink current = link;
        if (current == null) {
            current = links.apply(deadline);
            link = current;
        }
        return current;
    }

    /** Drops the broken link; what had not come will be asked for again. */
    private boolean reconnect(KvtierException error) {
        link = null;
        pending.forEach((_, _) -> estimator.ended());
        pending.clear();
        outstandingBytes = 0;
        chunks.forEach(ChunkIntake::forgetRequests);
        plan.invalidate();
        if (reconnects++ < options.reconnectsMax() && !deadline.isOver()) {
            return true;
        }
        endAt(firstWithoutBase(), Cut.CONNECTION, String.valueOf(error.getMessage()));
        chunks.forEach(chunk -> chunk.cut(Cut.CONNECTION));
        return false;
    }

    private @Nullable Event poll() {
        try {
            return events.poll(deadline.nanosLeft(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return null;
        }
    }

    private void handle(Event event) {
        switch (event) {
            case Event.Broken broken -> {
                if (!reconnect(broken.error())) {
                    usable = Math.min(usable, firstWithoutBase());
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
        Pending request = pending.get(reply.request());
        long size = payload.bytes().byteSize();
        bytes += size;
        if (size > 0) {
            estimator.arrived(size, clock.nanoTime());
        }
        if (request == null) {
            return;
        }
        if (reply.last()) {
            forget(reply.request(), request);
        }
        ChunkIntake chunk = chunks.get(request.chunk());
        switch (reply.status()) {
            case DATA -> accept(reply, payload, request, chunk);
            case OTHER_ENCODING -> restart(request.chunk(), reply.encodingId(), reply.message());
            case MISS -> endAt(request.chunk(), Cut.MISS, reply.message());
            case BAD_REQUEST -> stop(request, Cut.NOT_HELD, reply.message());
            case OVERLOADED -> stop(request, Cut.OVERLOADED, reply.message());
            case CANCELLED -> stop(request, Cut.DEADLINE, reply.message());
        }
    }

    private void accept(SegmentReply reply, Payload payload, Pending request, ChunkIntake chunk) {
        try {
            chunk.accept(reply, payload.bytes());
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

    /** A request fails for good: without its base a chunk ends the prefix, else it stays as is. */
    private void stop(Pending request, Cut reason, String message) {
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

    /** Nothing from chunk {@code index} on will be delivered. */
    private void endAt(int index, Cut reason, String message) {
        if (index < usable) {
            usable = index;
            end = reason;
            endMessage = message;
            cancelPendingOf(index, chunks.size() - 1);
            plan.invalidate();
        }
    }

    private List<ChunkIntake> usableChunks() {
        return chunks.subList(0, usable);
    }

    private int firstWithoutBase() {
        int index = 0;
        while (index < chunks.size() && chunks.get(index).arrived().has(0)) {
            index++;
        }
        return index;
    }

    private void cancelPending() {
        cancelPendingOf(0, chunks.size() - 1);
    }

    private void cancelPendingOf(int first, int last) {
        for (Map.Entry<Integer, Pending> entry : List.copyOf(pending.entrySet())) {
            int chunk = entry.getValue().chunk();
            if (chunk >= first && chunk <= last) {
                forget(entry.getKey(), entry.getValue());
                cancel(entry.getKey());
            }
        }
    }

    private void cancel(int number) {
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

    private void forget(int number, Pending request) {
        if (pending.remove(number) != null) {
            outstandingBytes -= request.bytes();
            estimator.ended();
        }
    }

    private void drain() {
        for (Event event = events.poll(); event != null; event = events.poll()) {
            if (event instanceof Event.Reply reply) {
                reply.payload().close();
            }
        }
    }

    private Delivery delivery(int admitted, long elapsedNanos) {
        int delivered = Math.min(usable, firstWithoutBase());
        Cut otherwise = deadline.isOver() ? Cut.DEADLINE : Cut.LINK;
        List<Delivery.Chunk> out = new ArrayList<>(delivered);
        for (ChunkIntake chunk : chunks.subList(0, delivered)) {
            out.add(chunk.delivered(otherwise));
        }
        if (delivered < usable) {
            end = otherwise;
        }
        return new Delivery(
                chunks.size(),
                admitted,
                out,
                end,
                endMessage,
                bytes,
                elapsedNanos,
                estimator.bytesPerSecond());
    }
}
