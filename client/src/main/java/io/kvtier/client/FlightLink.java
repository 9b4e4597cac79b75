package io.kvtier.client;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.wire.CancelRequest;
import io.kvtier.codec.wire.SegmentReply;
import io.kvtier.codec.wire.SegmentRequest;
import io.kvtier.codec.wire.StreamCommand;
import io.kvtier.codec.wire.StreamRequest;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.apache.arrow.flight.CallOption;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightDescriptor;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.jspecify.annotations.Nullable;

/**
 * One persistent exchange with a node, shared by all streams of a namespace: requests of each are
 * numbered, replies find their stream by the number.
 *
 * <p>Thread-safety: all methods. A thread of its own reads, so nobody waits longer than they want.
 */
final class FlightLink implements SegmentLink {
    private static final long LOOK_AGAIN_NANOS = 100_000;

    private final String node;
    private final BufferAllocator allocator;
    private final FlightClient.ExchangeReaderWriter exchange;
    private final Map<Integer, Listener> listeners = new ConcurrentHashMap<>();
    private final AtomicInteger numbers = new AtomicInteger();
    private final ReentrantLock writing = new ReentrantLock();
    private final Thread reader;
    private volatile @Nullable KvtierException failure;

    FlightLink(
            String node,
            FlightClient client,
            BufferAllocator allocator,
            StreamCommand command,
            CallOption... options) {
        this.node = node;
        this.allocator = allocator;
        try {
            this.exchange = client.doExchange(FlightDescriptor.command(command.toBytes()), options);
        } catch (FlightRuntimeException e) {
            throw NodeErrors.of(node, e);
        }
        this.reader = Thread.ofVirtual().name("kvtier-replies-" + node).unstarted(this::read);
    }

    /** Begins to read. */
    FlightLink start() {
        reader.start();
        return this;
    }

    @Override
    public boolean isBroken() {
        return failure != null;
    }

    @Override
    public int nextStream() {
        return numbers.incrementAndGet();
    }

    @Override
    public int register(Listener listener) {
        int number = numbers.incrementAndGet();
        listeners.put(number, listener);
        KvtierException error = failure;
        if (error != null) {
            listeners.remove(number);
            throw error;
        }
        return number;
    }

    @Override
    public void send(SegmentRequest request, Deadline deadline) {
        write(request, deadline);
    }

    @Override
    public void forget(int number) {
        listeners.remove(number);
    }

    @Override
    public void cancel(int number, Deadline deadline) {
        if (listeners.containsKey(number) && !isBroken()) {
            write(new CancelRequest(number), deadline);
        }
    }

    @Override
    public void close() {
        fail(new UnavailableException("the client was closed"));
        exchange.getReader().cancel("the client closes", null);
        try {
            boolean _ = reader.join(java.time.Duration.ofSeconds(2));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void write(StreamRequest message, Deadline deadline) {
        byte[] bytes = message.toBytes();
        writing.lock();
        try {
            FlightClient.ClientStreamListener writer = exchange.getWriter();
            // Arrow would spin here; requests are so small that this is rare.
            while (!writer.isReady() && !isBroken()) {
                if (deadline.isOver()) {
                    throw new UnavailableException(
                            "node " + node + " takes no requests, and the deadline is over");
                }
                LockSupport.parkNanos(LOOK_AGAIN_NANOS);
            }
            KvtierException error = failure;
            if (error != null) {
                throw error;
            }
            ArrowBuf buffer = allocator.buffer(bytes.length);
            buffer.writeBytes(bytes);
            writer.putMetadata(buffer);
        } catch (FlightRuntimeException e) {
            throw NodeErrors.of(node, e);
        } catch (IllegalStateException e) {
            // gRPC: the call was ended by the other side a moment ago.
            throw new UnavailableException("node " + node + ": the stream is closed", e);
        } finally {
            writing.unlock();
        }
    }

    private void read() {
        KvtierException error;
        try (FlightStream replies = exchange.getReader()) {
            while (replies.next()) {
                dispatch(replies);
            }
            error = new UnavailableException("node " + node + " ended the stream");
        } catch (FlightRuntimeException e) {
            error = NodeErrors.of(node, e);
        } catch (KvtierException e) {
            error = e;
        } catch (Exception e) {
            error = new UnavailableException("node " + node + ": the stream cannot be read", e);
        }
        fail(error);
    }

    private void dispatch(FlightStream replies) {
        ArrowBuf metadata = replies.getLatestMetadata();
        if (metadata == null) {
            throw new CorruptChunkException("reply metadata", "a SegmentReply", "none");
        }
        byte[] copy = new byte[(int) metadata.readableBytes()];
        metadata.getBytes(metadata.readerIndex(), copy);
        SegmentReply reply = SegmentReply.parse(ByteBuffer.wrap(copy));
        Listener listener =
                reply.last() ? listeners.remove(reply.request()) : listeners.get(reply.request());
        if (listener != null) {
            listener.reply(reply, Payload.take(replies.getRoot()));
        }
    }

    private void fail(KvtierException error) {
        if (failure == null) {
            failure = error;
        }
        Set<Listener> waiting = new HashSet<>(listeners.values());
        listeners.clear();
        waiting.forEach(each -> each.broken(error));
    }
}
