package io.kvtier.flight;

import io.kvtier.codec.error.OverloadedException;
import io.kvtier.codec.wire.SegmentReply;
import io.kvtier.storage.Blob;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.apache.arrow.flight.FlightProducer.ServerStreamListener;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.ForeignAllocation;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;

/**
 * Writes segment replies to one client, blob bytes without a copy, and waits while it is slow.
 *
 * <p>Ownership: owns its allocator; blobs are lent, a handle stays open until the network is done
 * with its bytes. Thread-safety: one writing thread; {@link #wake} from any.
 */
final class ReplyWriter implements AutoCloseable {
    /* gRPC's threads only signal: whoever writes waits on a thread of its own, because a wait on
     * gRPC's thread would keep the very callback away that ends it. The wait looks again every few
     * milliseconds, since Arrow stores the callback in a plain field that gRPC's thread may see
     * late.
     */
    private static final long LOOK_AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    /* Arrow closes the client's stream as soon as a call is cancelled or ended, whoever reads it.
     * What the reader takes from it at that moment is never let go of, so reading is ended first.
     */
    private final ServerStreamListener listener;
    private final CallMemory memory;
    private final BufferAllocator allocator;
    private final InFlightBudget budget;
    private final long stallNanosMax;
    private final Runnable reset;
    private final Runnable endReading;
    private final VectorSchemaRoot root;
    private final VarBinaryVector vector;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private boolean stalled;

    ReplyWriter(
            ServerStreamListener listener,
            CallMemory memory,
            InFlightBudget budget,
            long stallNanosMax,
            Runnable reset,
            Runnable endReading) {
        this.listener = listener;
        this.reset = reset;
        this.endReading = endReading;
        this.memory = memory;
        this.budget = budget;
        this.stallNanosMax = stallNanosMax;
        this.allocator = memory.take("segments");
        this.vector = new VarBinaryVector("data", NodeProducer.NOT_NULL_BINARY, allocator);
        this.root = VectorSchemaRoot.of(vector);
        listener.setUseZeroCopy(true);
        listener.setOnReadyHandler(this::wake);
        listener.setOnCancelHandler(
                () -> {
                    wake();
                    endReading.run();
                });
        listener.start(root);
    }

    /** Writes one slice of a blob, when the client is ready for it. */
    void data(SegmentReply reply, Blob blob, FrameSlice slice) throws InterruptedException {
        awaitReady();
        budget.acquire(slice.bytes(), stallNanosMax);
        try (ArrowBuf bytes = wrap(blob, slice)) {
            put(reply, bytes, slice.bytes());
        }
    }

    /** Writes a reply without bytes. */
    void end(SegmentReply reply) throws InterruptedException {
        awaitReady();
        put(reply, allocator.getEmpty(), 0);
    }

    /** Ends the stream. */
    void complete() {
        endReading.run();
        if (!listener.isCancelled()) {
            listener.completed();
        }
    }

    /** Ends the stream with an error. */
    void fail(Throwable error) {
        endReading.run();
        if (!listener.isCancelled() && !(error instanceof CancellationException)) {
            listener.error(ErrorStatus.of(error));
        }
        if (stalled) {
            reset.run();
        }
    }

    /** Whether the client is gone. */
    boolean isCancelled() {
        return listener.isCancelled();
    }

    /** Makes the writing thread look at the state of its stream. */
    void wake() {
        lock.lock();
        try {
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        root.close();
        memory.giveBack(allocator);
    }

    private void put(SegmentReply reply, ArrowBuf data, long bytes) {
        byte[] metadata = reply.toBytes();
        ArrowBuf meta = allocator.buffer(metadata.length);
        meta.writeBytes(metadata);
        boolean sent = false;
        try (ArrowBuf offsets = allocator.buffer(2L * Integer.BYTES)) {
            offsets.writeInt(0);
            offsets.writeInt((int) bytes);
            vector.loadFieldBuffers(
                    new ArrowFieldNode(1, 0), List.of(allocator.getEmpty(), offsets, data));
            root.setRowCount(1);
            sent = true;
            listener.putNext(meta);
        } finally {
            root.clear();
            if (!sent) {
                meta.close();
            }
        }
    }

    private ArrowBuf wrap(Blob blob, FrameSlice slice) {
        Blob handle = blob.retain();
        long address = handle.segment().address() + slice.offset();
        boolean wrapped = false;
        try {
            ArrowBuf bytes =
                    allocator.wrapForeignAllocation(
                            new ForeignAllocation(slice.bytes(), address) {
                                @Override
                                protected void release0() {
                                    handle.close();
                                    budget.release(slice.bytes());
                                }
                            });
            wrapped = true;
            bytes.writerIndex(slice.bytes());
            return bytes;
        } finally {
            if (!wrapped) {
                handle.close();
                budget.release(slice.bytes());
            }
        }
    }

    private void awaitReady() throws InterruptedException {
        long left = stallNanosMax;
        lock.lockInterruptibly();
        try {
            while (!listener.isReady() || listener.isCancelled()) {
                if (listener.isCancelled()) {
                    throw new CancellationException("the client is gone");
                }
                if (left <= 0) {
                    stalled = true;
                    throw new OverloadedException(
                            "the client took nothing for " + Duration.ofNanos(stallNanosMax),
                            Duration.ofNanos(stallNanosMax));
                }
                long slept = Math.min(left, LOOK_AGAIN_NANOS);
                left -= slept - Math.max(0, changed.awaitNanos(slept));
            }
        } finally {
            lock.unlock();
        }
    }
}
