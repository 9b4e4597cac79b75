package io.kvtier.client;

import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.wire.PutCommand;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Copies that nobody waits for: a bounded queue of frames, sent one batch after the other. What
 * does not fit, or fails, is dropped and counted; read repair or the next put makes up for it.
 *
 * <p>Thread-safety: all methods.
 */
final class BackgroundCopies implements AutoCloseable {
    private static final Duration TIME = Duration.ofSeconds(10);
    private static final Duration CLOSE_TIME = Duration.ofSeconds(2);
    private static final long LOOK_AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private final long bytesMax;
    private final Tasks tasks;
    private final NanoClock clock;
    private final AtomicLong queuedBytes = new AtomicLong();
    private final AtomicLong dropped = new AtomicLong();
    private final AtomicBoolean sending = new AtomicBoolean();
    private final Queue<Batch> queue = new ConcurrentLinkedQueue<>();
    private volatile boolean closed;

    private record Batch(
            NodeConnection node, PutCommand command, List<byte[]> frames, long bytes) {}

    /** A queue of at most so many bytes. */
    BackgroundCopies(long bytesMax, Tasks tasks, NanoClock clock) {
        this.bytesMax = bytesMax;
        this.tasks = tasks;
        this.clock = clock;
    }

    /** Copies the frames and sends them when their turn comes; drops them if the queue is full. */
    void offer(NodeConnection node, PutCommand command, List<MemorySegment> frames) {
        long bytes = frames.stream().mapToLong(MemorySegment::byteSize).sum();
        if (queuedBytes.addAndGet(bytes) > bytesMax || closed) {
            queuedBytes.addAndGet(-bytes);
            dropped.addAndGet(frames.size());
            return;
        }
        List<byte[]> copied =
                frames.stream().map(frame -> frame.toArray(ValueLayout.JAVA_BYTE)).toList();
        queue.add(new Batch(node, command, copied, bytes));
        sendQueued();
    }

    /** Frames that were dropped, or that their node did not take. */
    long dropped() {
        return dropped.get();
    }

    /** Sends what is queued for two seconds at most. */
    @Override
    public void close() {
        Deadline end = Deadline.after(CLOSE_TIME, clock);
        while (queuedBytes.get() > 0 && !end.isOver() && !Thread.currentThread().isInterrupted()) {
            tasks.pause(LOOK_AGAIN_NANOS);
        }
        closed = true;
        for (Batch left = queue.poll(); left != null; left = queue.poll()) {
            drop(left);
        }
    }

    /** One task sends, however many offer. */
    private void sendQueued() {
        if (queue.isEmpty() || !sending.compareAndSet(false, true)) {
            return;
        }
        try {
            Tasks.Task _ =
                    tasks.start(
                            () -> {
                                for (Batch each = queue.poll(); each != null; each = queue.poll()) {
                                    send(each);
                                }
                                sending.set(false);
                                sendQueued(); // for what was offered in between
                            });
        } catch (RejectedExecutionException e) {
            sending.set(false); // the client is closed, which drops what is queued
        }
    }

    private void send(Batch batch) {
        try {
            var _ =
                    batch.node()
                            .put(
                                    batch.command(),
                                    batch.frames().stream().map(MemorySegment::ofArray).toList(),
                                    Deadline.after(TIME, clock));
            queuedBytes.addAndGet(-batch.bytes());
        } catch (KvtierException e) {
            drop(batch);
        }
    }

    private void drop(Batch batch) {
        queuedBytes.addAndGet(-batch.bytes());
        dropped.addAndGet(batch.frames().size());
    }
}
