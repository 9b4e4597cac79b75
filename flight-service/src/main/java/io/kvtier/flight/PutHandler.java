package io.kvtier.flight;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutCommand;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.codec.wire.PutReply.Status;
import io.kvtier.storage.Blob;
import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.Durability;
import io.kvtier.storage.PutOutcome;
import io.kvtier.storage.StoreKey;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.apache.arrow.flight.FlightProducer.StreamListener;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.PutResult;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VectorSchemaRoot;

/**
 * Takes in frames: each is copied to memory of the node, verified there in full, and only then
 * handed to the store, so that nobody sees bytes that were not checked.
 */
final class PutHandler {
    private final NodeContext node;
    private final Caller caller;
    private final UsedChain chain;

    PutHandler(NodeContext node, Caller caller) {
        this.node = node;
        this.caller = caller;
        this.chain = new UsedChain(node.store());
    }

    /** Reads the stream to its end and answers row by row. */
    void accept(
            FlightStream frames, StreamListener<PutResult> replies, BooleanSupplier isCancelled) {
        BufferAllocator allocator = node.memory().take("put");
        try (StreamWatch.Watched watched = node.watch().watch(node.options().idle().toNanos())) {
            try {
                PutCommand command =
                        PutCommand.parse(ByteBuffer.wrap(frames.getDescriptor().getCommand()));
                Digest namespace = command.namespace().digest();
                TenantKeys keys = new TenantKeys(node.store(), caller.as(Role.WRITER));
                while (frames.next()) {
                    watched.touch();
                    acceptBatch(command, namespace, keys, frames.getRoot(), allocator, replies);
                }
                chain.flush();
                replies.onCompleted();
            } catch (RuntimeException e) {
                // A second answer after gRPC's own would cost the client its whole connection.
                if (!isCancelled.getAsBoolean()) {
                    replies.onError(ErrorStatus.of(watched.wasCut() ? cut() : e));
                }
            }
        } finally {
            node.memory().giveBack(allocator);
        }
    }

    private void acceptBatch(
            PutCommand command,
            Digest namespace,
            TenantKeys keys,
            VectorSchemaRoot root,
            BufferAllocator allocator,
            StreamListener<PutResult> replies) {
        VarBinaryVector frames = frameColumn(root);
        for (int row = 0; row < root.getRowCount(); row++) {
            byte[] reply = acceptFrame(command, namespace, keys, row(frames, row)).toBytes();
            ArrowBuf metadata = allocator.buffer(reply.length);
            metadata.writeBytes(reply);
            try (PutResult result = PutResult.metadata(metadata)) {
                replies.onNext(result);
            }
        }
    }

    private PutReply acceptFrame(
            PutCommand command, Digest namespace, TenantKeys keys, MemorySegment bytes) {
        try (Blob blob = node.pool().copyOf(bytes)) {
            FrameHeader header =
                    FrameBytes.verify(
                            blob.segment(),
                            command.namespace(),
                            namespace,
                            node.options().decodeLimits());
            StoreKey key = keys.toWrite(header.key());
            ChunkMeta meta =
                    HeldFrame.meta(header, blob.bytes())
                            .withExpiryMillis(expiryMillis(command, namespace));
            PutOutcome outcome =
                    node.store().put(key, meta, blob, durability(command.durability()));
            chain.add(key);
            Series counts = node.meter().held(caller.tenant(), namespace);
            PutReply reply = reply(header, outcome, command.durability());
            counts.put(reply.status());
            if (reply.status() == Status.STORED || reply.status() == Status.REPLACED) {
                counts.received().add(header, outcome.held().quality());
            }
            return reply;
        } catch (CorruptChunkException | InvalidRequestException e) {
            node.meter().rejected(caller.tenant());
            return rejected(e);
        }
    }

    private long expiryMillis(PutCommand command, Digest namespace) {
        long asked = command.ttlMillis();
        long ttl = asked > 0 ? asked : node.times().millis(namespace);
        return ttl == 0 ? ChunkMeta.NEVER : node.store().nowMillis() + ttl;
    }

    private static PutReply reply(FrameHeader header, PutOutcome outcome, Persistence asked) {
        Status status =
                switch (outcome) {
                    case PutOutcome.Stored stored -> Status.STORED;
                    case PutOutcome.AlreadyPresent present -> Status.ALREADY_PRESENT;
                    case PutOutcome.Replaced replaced -> Status.REPLACED;
                    case PutOutcome.KeptOther other -> Status.KEPT_OTHER;
                };
        Persistence reached = status == Status.KEPT_OTHER ? Persistence.MEMORY : asked;
        return new PutReply(
                header.key(), HeldFrame.encodingId(outcome.held()), status, reached, 1, "");
    }

    private static PutReply rejected(KvtierException error) {
        return new PutReply(
                Digest.ZERO,
                Digest.ZERO,
                Status.REJECTED,
                Persistence.MEMORY,
                0,
                String.valueOf(error.getMessage()));
    }

    private static VarBinaryVector frameColumn(VectorSchemaRoot root) {
        List<FieldVector> columns = root.getFieldVectors();
        if (columns.size() == 1
                && columns.getFirst() instanceof VarBinaryVector frames
                && frames.getName().equals("frame")) {
            return frames;
        }
        throw new InvalidRequestException(
                "schema of a put is " + root.getSchema() + ", expected {frame: binary not null}");
    }

    private static MemorySegment row(VarBinaryVector frames, int row) {
        int start = frames.getStartOffset(row);
        int end = frames.getEndOffset(row);
        InvalidRequestException.check(
                !frames.isNull(row) && end > start, "frame in row " + row, "empty", "a frame");
        long limit = frames.getDataBuffer().capacity();
        InvalidRequestException.check(
                start >= 0 && end <= limit, "offsets of row " + row, start + ".." + end, limit);
        return MemorySegment.ofAddress(frames.getDataBuffer().memoryAddress() + start)
                .reinterpret(end - start);
    }

    private static Durability durability(Persistence asked) {
        return switch (asked) {
            case MEMORY -> Durability.MEMORY;
            case DISK -> Durability.DISK;
        };
    }

    private static UnavailableException cut() {
        return new UnavailableException("the put was idle too long, or the node stops");
    }
}
