package io.kvtier.client;

import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.wire.PutCommand;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Copies that nobody waits for: a bounded queue of frames, sent one batch after the other. What
 * does not fit, or fails, is dropped and counted; read repair or the next put makes up for it.
 *
 * <p>Thread-safety: all methods.
 */
final class BackgroundCopies implements AutoCloseable {
    private static final Duration TIME = Duration.ofSeconds(10);
    private static final long CLOSE_MILLIS = 2000;

    private final long bytesMax;
    private final NanoClock clock;
    private final AtomicLong queuedBytes = new AtomicLong();
    private final AtomicLong dropped = new AtomicLong();
    private final ExecutorService executor =
            Executors.newSingleThreadExecutor(Thread.ofVirtual().name("kvtier-copies").factory());

    /** A queue of at most so many bytes. */
    BackgroundCopies(long bytesMax, NanoClock clock) {
        this.bytesMax = bytesMax;
        this.clock = clock;
    }

    /** Copies the frames and sends them when their turn comes; drops them if the queue is full. */
    void offer(NodeConnection node, PutCommand command, List<MemorySegment> frames) {
        long bytes = frames.stream().mapToLong(MemorySegment::byteSize).sum();
        if (queuedBytes.addAndGet(bytes) > bytesMax) {
            queuedBytes.addAndGet(-bytes);
            dropped.addAndGet(frames.size());
            return;
        }
        List<byte[]> copied =
                frames.stream().map(frame -> frame.toArray(ValueLayout.JAVA_BYTE)).toList();
        try {
            executor.execute(() -> send(node, command, copied, bytes));
        } catch (RejectedExecutionException e) {
            queuedBytes.addAndGet(-bytes);
            dropped.addAndGet(frames.size());
        }
    }

    /** Frames that were dropped, or that their node did not take. */
    long dropped() {
        return dropped.get();
    }

    /** Sends what is queued for two seconds at most. */
    @Override
    public void close() {
        executor.shutdown();
        try {
            if (!executor.awaitTermination(CLOSE_MILLIS, TimeUnit.MILLISECONDS)) {
                executor.shutdownNow();
                boolean _ = executor.awaitTermination(CLOSE_MILLIS, TimeUnit.MILLISECONDS);
            }
        } catch (InterruptedException e) {
            executor.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }

    private void send(NodeConnection node, PutCommand command, List<byte[]> frames, long bytes) {
        try {
            var _ =
                    node.put(
                            command,
                            frames.stream().map(MemorySegment::ofArray).toList(),
                            Deadline.after(TIME, clock));
        } catch (KvtierException e) {
            dropped.addAndGet(frames.size());
        } finally {
            queuedBytes.addAndGet(-bytes);
        }
    }
}
