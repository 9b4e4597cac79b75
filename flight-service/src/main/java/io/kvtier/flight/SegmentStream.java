package io.kvtier.flight;

import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.SegmentReply;
import io.kvtier.codec.wire.SegmentReply.Status;
import io.kvtier.codec.wire.SegmentRequest;
import io.kvtier.flight.Series.Answered;
import io.kvtier.flight.share.LinkShare;
import io.kvtier.storage.OverloadedException;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.StoredChunk;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** Answers the segment requests of one exchange, in the order in which they came. */
final class SegmentStream {
    private static final int SHARED_SLICE_BYTES_MIN = 32 << 10;
    private static final int SHARED_SLICES_PER_SECOND = 50;

    private final NodeContext node;
    private final TenantKeys keys;
    private final Digest namespace;
    private final RequestQueue queue;
    private final ReplyWriter writer;
    private final LinkShare share;
    private final UsedChain chain;
    private final ServiceMeter.Running meter;

    SegmentStream(
            NodeContext node,
            Tenant tenant,
            Digest namespace,
            RequestQueue queue,
            ReplyWriter writer,
            LinkShare share,
            ServiceMeter.Running meter) {
        this.node = node;
        this.meter = meter;
        this.keys = new TenantKeys(node.store(), tenant);
        this.namespace = namespace;
        this.queue = queue;
        this.writer = writer;
        this.share = share;
        this.chain = new UsedChain(node.store());
    }

    /** Answers until the client has said its last, or is gone. */
    void run(StreamWatch.Watched watched) throws InterruptedException {
        Optional<RequestQueue.Waiting> next = queue.take();
        while (next.isPresent() && !writer.isCancelled()) {
            answer(next.get());
            watched.touch();
            if (queue.isEmpty()) {
                chain.flush();
            }
            next = queue.take();
        }
    }

    private void answer(RequestQueue.Waiting waiting) throws InterruptedException {
        SegmentRequest request = waiting.request();
        meter.begins(waiting);
        Optional<String> dropped = queue.whyDropped(waiting);
        if (dropped.isPresent()) {
            end(waiting, Status.CANCELLED, request.encodingId(), dropped.get());
            return;
        }
        Optional<Duration> refused = share.claim(request.claim(), waiting.deadlineNanos());
        if (refused.isPresent()) {
            refuse(waiting, refused.get(), "the link is promised to others");
            return;
        }
        StoreKey key = keys.toRead(request.key());
        try (StoredChunk chunk = node.store().open(key).orElse(null)) {
            if (chunk == null || HeldFrame.directory(chunk.meta(), namespace).isEmpty()) {
                end(waiting, Status.MISS, Digest.ZERO, "the chunk is not held");
                return;
            }
            chain.add(key);
            send(waiting, chunk);
        } catch (OverloadedException e) {
            refuse(waiting, e.retryAfter(), String.valueOf(e.getMessage()));
        }
    }

    private void send(RequestQueue.Waiting waiting, StoredChunk chunk) throws InterruptedException {
        SegmentRequest request = waiting.request();
        Digest held = HeldFrame.encodingId(chunk.meta());
        boolean any = request.encodingId().equals(Digest.ZERO);
        if (!any && !request.encodingId().equals(held)) {
            end(waiting, Status.OTHER_ENCODING, held, "another encoding is held");
            return;
        }
        if (request.partTo() > chunk.meta().quality()) {
            String message =
                    "parts "
                            + request.partFrom()
                            + ".."
                            + request.partTo()
                            + " asked for, "
                            + chunk.meta().quality()
                            + " held";
            end(waiting, Status.BAD_REQUEST, held, message);
            return;
        }
        FrameHeader header = HeldFrame.header(chunk, node.options().decodeLimits());
        List<FrameSlice> slices =
                FrameSlice.of(
                        header,
                        request.partFrom(),
                        request.partTo(),
                        request.withHeader(),
                        request.headGroups(),
                        sliceBytes());
        if (slices.isEmpty()) {
            end(waiting, Status.BAD_REQUEST, held, "the request names no bytes");
            return;
        }
        for (int i = 0; i < slices.size(); i++) {
            Optional<String> dropped = queue.whyDropped(waiting);
            if (dropped.isPresent()) {
                end(waiting, Status.CANCELLED, held, dropped.get());
                return;
            }
            FrameSlice slice = slices.get(i);
            share.take(request.claim().stream(), slice.bytes());
            writer.data(reply(request, slice, held, i == slices.size() - 1), chunk.blob(), slice);
            meter.sends(header, slice);
        }
        meter.ends(waiting, Answered.SENT);
    }

    private void end(RequestQueue.Waiting waiting, Status status, Digest encodingId, String message)
            throws InterruptedException {
        SegmentRequest request = waiting.request();
        meter.ends(
                waiting,
                switch (status) {
                    case DATA -> Answered.SENT;
                    case MISS -> Answered.MISS;
                    case OTHER_ENCODING -> Answered.OTHER_ENCODING;
                    case BAD_REQUEST -> Answered.BAD_REQUEST;
                    case OVERLOADED -> Answered.OVERLOADED;
                    case CANCELLED -> queue.isLate(waiting) ? Answered.LATE : Answered.CANCELLED;
                });
        writer.end(SegmentReply.end(request.request(), status, encodingId, message));
    }

    private void refuse(RequestQueue.Waiting waiting, Duration after, String message)
            throws InterruptedException {
        SegmentRequest request = waiting.request();
        meter.ends(waiting, Answered.OVERLOADED);
        int millis = Math.clamp(after.toMillis(), 1, Integer.MAX_VALUE);
        writer.end(
                SegmentReply.overloaded(request.request(), request.encodingId(), millis, message));
    }

    /** About so many bytes go into one reply: where the link is shared, little of its time. */
    private int sliceBytes() {
        int most = node.options().sliceBytes();
        long rate = share.bytesPerSecond();
        int least = Math.min(SHARED_SLICE_BYTES_MIN, most);
        return rate == 0 ? most : Math.clamp(rate / SHARED_SLICES_PER_SECOND, least, most);
    }

    private SegmentReply reply(
            SegmentRequest request, FrameSlice slice, Digest encodingId, boolean last) {
        return new SegmentReply(
                request.request(),
                Status.DATA,
                slice.hasHeader(),
                last,
                slice.firstSegment(),
                slice.segments(),
                encodingId,
                share.bytesPerSecond(),
                0,
                "");
    }
}
