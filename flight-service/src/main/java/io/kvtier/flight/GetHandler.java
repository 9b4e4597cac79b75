package io.kvtier.flight;

import io.kvtier.codec.error.OverloadedException;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.Importance;
import io.kvtier.codec.plan.Link;
import io.kvtier.codec.plan.PartSet;
import io.kvtier.codec.plan.Plan;
import io.kvtier.codec.plan.PlannedChunk;
import io.kvtier.codec.plan.Planner;
import io.kvtier.codec.plan.SendOrder;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.codec.wire.GetTicket;
import io.kvtier.codec.wire.SegmentReply;
import io.kvtier.codec.wire.SegmentReply.Status;
import io.kvtier.codec.wire.SegmentRequest;
import io.kvtier.codec.wire.StreamClaim;
import io.kvtier.flight.share.LinkShare;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.StoredChunk;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Streams a prefix to a client that leaves the planning to the node: the plan is made anew before
 * each part, with the time and the rate that are left.
 */
final class GetHandler {
    private static final double COLD_BYTES_PER_SECOND = 8e6;
    private static final long ROUND_TRIP_NANOS = 1_000_000;
    private static final long NANOS_MAX = TimeUnit.HOURS.toNanos(1);
    private static final long NO_DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(10);

    /** The only stream of its call. */
    private static final int STREAM = 1;

    private final NodeContext node;
    private final TenantKeys keys;
    private final Tenant tenant;
    private final GetTicket ticket;
    private final ReplyWriter writer;
    private final LinkShare share;
    private final long startNanos;
    private final List<ChunkDirectory> chunks = new ArrayList<>();
    private final List<PartSet> sent;
    private long sentBytes;

    GetHandler(
            NodeContext node,
            Tenant tenant,
            GetTicket ticket,
            ReplyWriter writer,
            LinkShare share) {
        this.node = node;
        this.tenant = tenant;
        this.keys = new TenantKeys(node.store(), tenant);
        this.ticket = ticket;
        this.writer = writer;
        this.share = share;
        this.startNanos = node.clock().nanoTime();
        lookup();
        this.sent = new ArrayList<>(Collections.nCopies(chunks.size(), PartSet.NONE));
    }

    /** Sends until nothing is worth sending, the time is over, or the client is gone. */
    void run() throws InterruptedException {
        share.claim(claim(), startNanos + nanosMax())
                .ifPresent(
                        after -> {
                            throw new OverloadedException("the link is promised to others", after);
                        });
        Optional<SendOrder.Item> next = next();
        while (next.isPresent() && !writer.isCancelled() && send(next.get())) {
            next = next();
        }
        int missed = chunks.size();
        if (missed < ticket.keys().size()) {
            writer.end(SegmentReply.end(missed, Status.MISS, Digest.ZERO, "not held from here on"));
        }
    }

    private StreamClaim claim() {
        long need = 0;
        long want = 0;
        for (ChunkDirectory chunk : chunks) {
            PlannedChunk fresh = PlannedChunk.fresh(chunk, Importance.FAR);
            need += fresh.bytes(Grade.BASE);
            want += chunk.headerBytes() + new SendOrder.Item(0, 0, chunk.partsHeld()).bytes(chunk);
        }
        return new StreamClaim(STREAM, need, Math.max(need, want));
    }

    private long nanosMax() {
        return ticket.deadlineNanos() > 0
                ? Math.min(ticket.deadlineNanos(), NANOS_MAX)
                : NO_DEADLINE_NANOS;
    }

    private void lookup() {
        for (Digest key : ticket.keys()) {
            Optional<ChunkMeta> meta = node.store().find(keys.toRead(key));
            Optional<ChunkDirectory> directory =
                    meta.flatMap(found -> HeldFrame.directory(found, ticket.namespace()));
            if (directory.isEmpty()) {
                looked(Series.whyMissed(node.store(), keys.toRead(key)));
                return;
            }
            chunks.add(directory.get().withPartsHeld(partsUpTo(directory.get())));
        }
        looked(Series.Looked.HELD);
    }

    private void looked(Series.Looked why) {
        int asked = ticket.keys().size();
        node.meter().looked(tenant, ticket.namespace(), asked, chunks.size(), why);
    }

    private int partsUpTo(ChunkDirectory directory) {
        int held = 0;
        while (held < directory.partsHeld()
                && directory.parts().get(held).part().rung() <= ticket.rungMax()) {
            held++;
        }
        return held;
    }

    private Optional<SendOrder.Item> next() {
        long left = Long.MAX_VALUE;
        if (ticket.deadlineNanos() > 0) {
            left = ticket.deadlineNanos() - (node.clock().nanoTime() - startNanos);
            if (left <= 0) {
                return Optional.empty();
            }
        }
        List<PlannedChunk> planned = new ArrayList<>(chunks.size());
        for (int i = 0; i < chunks.size(); i++) {
            Grade arrived = sent.get(i).grade(chunks.get(i));
            planned.add(
                    new PlannedChunk(
                            chunks.get(i), arrived, Importance.byPosition(i, chunks.size())));
        }
        Plan plan = Planner.plan(planned, new Link(bytesPerSecond(), ROUND_TRIP_NANOS, 0), left);
        return SendOrder.next(plan, chunks, sent);
    }

    /** The client's word first; what was really sent counts once there is enough of it. */
    private double bytesPerSecond() {
        double told = ticket.bytesPerSecond();
        told = told > 0 ? told : share.bytesPerSecond();
        told = told > 0 ? told : COLD_BYTES_PER_SECOND;
        long elapsed = node.clock().nanoTime() - startNanos;
        double measured = sentBytes * 1e9 / Math.max(1, elapsed);
        return sentBytes > 4L * node.options().sliceBytes() ? Math.min(told, measured) : told;
    }

    /** Sends one item; false when the chunk has changed, which ends the usable prefix. */
    private boolean send(SendOrder.Item item) throws InterruptedException {
        ChunkDirectory directory = chunks.get(item.chunk());
        Digest key = ticket.keys().get(item.chunk());
        try (StoredChunk chunk = node.store().open(keys.toRead(key)).orElse(null)) {
            if (chunk == null
                    || !HeldFrame.encodingId(chunk.meta()).equals(directory.encodingId())
                    || chunk.meta().quality() < item.partTo()) {
                writer.end(
                        SegmentReply.end(
                                item.chunk(),
                                Status.MISS,
                                directory.encodingId(),
                                "the chunk was evicted or replaced meanwhile"));
                return false;
            }
            FrameHeader header = HeldFrame.header(chunk, node.options().decodeLimits());
            List<FrameSlice> slices =
                    FrameSlice.of(
                            header,
                            item.partFrom(),
                            item.partTo(),
                            item.partFrom() == 0,
                            SegmentRequest.ALL_HEADS,
                            node.options().sliceBytes());
            for (FrameSlice slice : slices) {
                boolean last = slice.equals(slices.getLast());
                share.take(STREAM, slice.bytes());
                writer.data(reply(item.chunk(), slice, header, last), chunk.blob(), slice);
                node.meter().sends(tenant, ticket.namespace(), header, slice);
                sentBytes += slice.bytes();
            }
            sent.set(item.chunk(), sent.get(item.chunk()).with(item.partFrom(), item.partTo()));
            return true;
        }
    }

    private SegmentReply reply(int chunk, FrameSlice slice, FrameHeader header, boolean last) {
        return new SegmentReply(
                chunk,
                Status.DATA,
                slice.hasHeader(),
                last,
                slice.firstSegment(),
                slice.segments(),
                header.encodingId(),
                share.bytesPerSecond(),
                0,
                "");
    }
}
