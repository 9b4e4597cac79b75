package io.kvtier.client;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.wire.PutCommand;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import org.apache.arrow.flight.CallOption;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightDescriptor;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.PutResult;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.jspecify.annotations.Nullable;

/** One DoPut: a frame a batch, replies in the order of the frames. */
final class PutCall implements FlightClient.PutListener {
    private static final FieldType NOT_NULL_BINARY =
            FieldType.notNullable(ArrowType.Binary.INSTANCE);
    private static final long LOOK_AGAIN_NANOS = 100_000;

    /** What a message needs besides the frame: schema, offsets, metadata. */
    static final int OVERHEAD_BYTES = 4096;

    private final String node;
    private final BufferAllocator allocator;
    private final Deadline deadline;
    private final List<PutReply> replies = new ArrayList<>();
    private final CompletableFuture<List<PutReply>> done = new CompletableFuture<>();

    PutCall(String node, BufferAllocator allocator, Deadline deadline) {
        this.node = node;
        this.allocator = allocator;
        this.deadline = deadline;
    }

    List<PutReply> run(
            FlightClient client,
            PutCommand command,
            List<MemorySegment> frames,
            CallOption... options) {
        try (VarBinaryVector vector = new VarBinaryVector("frame", NOT_NULL_BINARY, allocator);
                VectorSchemaRoot root = VectorSchemaRoot.of(vector)) {
            FlightDescriptor descriptor = FlightDescriptor.command(command.toBytes());
            FlightClient.ClientStreamListener writer =
                    client.startPut(descriptor, root, this, options);
            writer.setUseZeroCopy(true);
            for (MemorySegment frame : frames) {
                if (!awaitReady(writer)) {
                    break;
                }
                load(vector, frame);
                root.setRowCount(1);
                writer.putNext();
                root.clear();
            }
            if (!done.isDone()) {
                writer.completed();
            }
            return await(frames.size());
        } catch (FlightRuntimeException e) {
            throw NodeErrors.of(node, e);
        } catch (IllegalStateException e) {
            // gRPC: the node has just ended the call; what it said is worth more.
            return await(frames.size());
        }
    }

    @Override
    public void getResult() {
        List<PutReply> _ = done.join();
    }

    @Override
    public void onNext(PutResult result) {
        ArrowBuf metadata = result.getApplicationMetadata();
        byte[] bytes = new byte[(int) metadata.readableBytes()];
        metadata.getBytes(metadata.readerIndex(), bytes);
        try {
            replies.add(PutReply.parse(ByteBuffer.wrap(bytes)));
        } catch (InvalidRequestException e) {
            boolean _ = done.completeExceptionally(e);
        }
    }

    @Override
    public void onError(Throwable error) {
        boolean _ = done.completeExceptionally(error);
    }

    @Override
    public void onCompleted() {
        boolean _ = done.complete(replies);
    }

    @Override
    public boolean isCancelled() {
        return done.isDone();
    }

    private boolean awaitReady(FlightClient.ClientStreamListener writer) {
        while (!writer.isReady() && !done.isDone()) {
            LockSupport.parkNanos(LOOK_AGAIN_NANOS);
        }
        return !done.isDone();
    }

    private static void load(VarBinaryVector vector, MemorySegment frame) {
        vector.allocateNew(frame.byteSize(), 1);
        ArrowBuf data = vector.getDataBuffer();
        MemorySegment.ofAddress(data.memoryAddress()).reinterpret(frame.byteSize()).copyFrom(frame);
        vector.getOffsetBuffer().setInt(0, 0);
        vector.getOffsetBuffer().setInt(Integer.BYTES, (int) frame.byteSize());
        vector.setIndexDefined(0);
        vector.setLastSet(0);
        vector.setValueCount(1);
    }

    private List<PutReply> await(int frames) {
        try {
            List<PutReply> all = done.get(deadline.nanosLeft(), TimeUnit.NANOSECONDS);
            if (all.size() != frames) {
                throw new UnavailableException(
                        "node " + node + " answered " + all.size() + " of " + frames + " frames");
            }
            return List.copyOf(all);
        } catch (TimeoutException e) {
            throw new UnavailableException("node " + node + ": the put's deadline is over", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UnavailableException("interrupted while putting", e);
        } catch (ExecutionException e) {
            throw failure(e.getCause());
        }
    }

    private KvtierException failure(@Nullable Throwable cause) {
        return switch (cause) {
            case FlightRuntimeException e -> NodeErrors.of(node, e);
            case KvtierException e -> e;
            case null -> new UnavailableException("node " + node + ": the put failed");
            default -> new UnavailableException("node " + node + ": the put failed", cause);
        };
    }
}
