package io.kvtier.client;

import io.kvtier.client.Delivery.Cut;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.GetTicket;
import io.kvtier.codec.wire.SegmentReply;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.flight.CallOption;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStatusCode;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.Ticket;
import org.apache.arrow.memory.ArrowBuf;

/** One DoGet: takes what the node plans, and keeps the prefix that arrived by the deadline. */
final class GetCall {
    private final String node;
    private final Deadline deadline;
    private final GoodputEstimator estimator;
    private final NanoClock clock;
    private final List<ChunkIntake> chunks = new ArrayList<>();
    private Cut end = Cut.NONE;
    private String endMessage = "";
    private int usable;
    private long bytes;

    GetCall(
            String node,
            Match match,
            Deadline deadline,
            ClientOptions options,
            SegmentSink sink,
            GoodputEstimator estimator,
            NanoClock clock) {
        this.node = node;
        this.deadline = deadline;
        this.estimator = estimator;
        this.clock = clock;
        Digest namespace = match.namespace().digest();
        for (int i = 0; i < match.chunks().size(); i++) {
            chunks.add(new ChunkIntake(i, match, namespace, options.decodeLimits(), sink));
        }
        this.usable = chunks.size();
    }

    Delivery run(FlightClient client, GetTicket ticket, CallOption... options) {
        long start = clock.nanoTime();
        estimator.sent(start);
        try (FlightStream stream = client.getStream(new Ticket(ticket.toBytes()), options)) {
            while (stream.next()) {
                accept(stream);
            }
        } catch (FlightRuntimeException e) {
            KvtierException error = NodeErrors.of(node, e);
            if (e.status().code() != FlightStatusCode.TIMED_OUT && bytes == 0) {
                throw error;
            }
            boolean late = deadline.isOver() || e.status().code() == FlightStatusCode.TIMED_OUT;
            cut(firstWithoutBase(), late ? Cut.DEADLINE : Cut.CONNECTION, error.getMessage());
        } catch (KvtierException e) {
            throw e;
        } catch (Exception e) {
            throw new UnavailableException("node " + node + ": the stream cannot be read", e);
        } finally {
            estimator.ended();
        }
        return delivery(clock.nanoTime() - start);
    }

    private void accept(FlightStream stream) {
        ArrowBuf metadata = stream.getLatestMetadata();
        if (metadata == null) {
            throw new CorruptChunkException("reply metadata", "a SegmentReply", "none");
        }
        byte[] copy = new byte[(int) metadata.readableBytes()];
        metadata.getBytes(metadata.readerIndex(), copy);
        SegmentReply reply = SegmentReply.parse(ByteBuffer.wrap(copy));
        try (Payload payload = Payload.take(stream.getRoot())) {
            bytes += payload.bytes().byteSize();
            estimator.arrived(payload.bytes().byteSize(), clock.nanoTime());
            int index = reply.request();
            if (index < 0 || index >= usable || deadline.isOver()) {
                return;
            }
            if (reply.status() != SegmentReply.Status.DATA) {
                boolean hasBase = chunks.get(index).arrived().has(0);
                chunks.get(index).cut(Cut.MISS);
                cut(hasBase ? usable : index, Cut.MISS, reply.message());
                return;
            }
            try {
                chunks.get(index).accept(reply, payload.bytes());
            } catch (CorruptChunkException | InvalidRequestException e) {
                boolean hasBase = chunks.get(index).arrived().has(0);
                chunks.get(index).cut(Cut.CORRUPT);
                cut(hasBase ? usable : index, Cut.CORRUPT, e.getMessage());
            }
        }
    }

    private void cut(int index, Cut reason, @org.jspecify.annotations.Nullable String message) {
        if (index < usable) {
            usable = index;
            end = reason;
            endMessage = String.valueOf(message);
        }
    }

    private int firstWithoutBase() {
        int index = 0;
        while (index < chunks.size() && chunks.get(index).arrived().has(0)) {
            index++;
        }
        return index;
    }

    private Delivery delivery(long elapsedNanos) {
        int delivered = Math.min(usable, firstWithoutBase());
        Cut otherwise = deadline.isOver() ? Cut.DEADLINE : Cut.LINK;
        List<Delivery.Chunk> out = new ArrayList<>(delivered);
        for (ChunkIntake chunk : chunks.subList(0, delivered)) {
            out.add(chunk.delivered(otherwise));
        }
        return new Delivery(
                chunks.size(),
                chunks.size(),
                0,
                out,
                delivered < usable ? otherwise : end,
                endMessage,
                bytes,
                elapsedNanos,
                estimator.bytesPerSecond(),
                0,
                0,
                List.of(),
                0);
    }
}
