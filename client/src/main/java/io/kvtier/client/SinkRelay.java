package io.kvtier.client;

import io.kvtier.codec.frame.FrameHeader;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Lets several streams deliver to one sink, on the thread that opened them, and lets one stream at
 * a time have a chunk: the newest that began it, whose begin voids what others brought.
 *
 * <p>Thread-safety: the sinks it makes are for one stream each, all else for the opening thread.
 */
final class SinkRelay {
    private static final int NOBODY = -1;

    private final SegmentSink target;
    private final int[] owners;
    private final Tasks tasks;
    private final Tasks.Mailbox<Call> calls;

    /** A delivery that waits for the opening thread; whoever sets {@code taken} decides. */
    record Call(int stream, Runnable work, AtomicBoolean taken, Tasks.Mailbox<Boolean> done) {}

    SinkRelay(SegmentSink target, int chunks, Tasks tasks) {
        this.tasks = tasks;
        this.calls = tasks.mailbox();
        this.target = target;
        this.owners = new int[chunks];
        java.util.Arrays.fill(owners, NOBODY);
    }

    /** The sink of a stream whose chunks are those of the match at these indexes. */
    SegmentSink of(int stream, List<Integer> indexes) {
        Tasks.Mailbox<Boolean> done = tasks.mailbox();
        return new SegmentSink() {
            @Override
            public void begin(int chunk, FrameHeader header) {
                int index = indexes.get(chunk);
                hand(stream, () -> beginAs(stream, index, header), done);
            }

            @Override
            public void segment(int chunk, int segment, MemorySegment bytes) {
                int index = indexes.get(chunk);
                hand(stream, () -> segmentAs(stream, index, segment, bytes), done);
            }
        };
    }

    /** The next delivery, if one comes in time. */
    @Nullable Call poll(long nanos) throws InterruptedException {
        return calls.poll(nanos);
    }

    /** Delivers, unless the stream gave up meanwhile. */
    void run(Call call) {
        if (call.taken().compareAndSet(false, true)) {
            try {
                call.work().run();
            } finally {
                call.done().add(true);
            }
        }
    }

    /** Whether what was delivered of a chunk is this stream's. */
    boolean owns(int stream, int index) {
        return owners[index] == stream;
    }

    /** The stream is over and the chunk not whole: another may begin it. */
    void release(int stream, int index) {
        if (owners[index] == stream) {
            owners[index] = NOBODY;
        }
    }

    /** Drops deliveries that nobody takes any more. */
    void drain() {
        for (Call call = calls.poll(); call != null; call = calls.poll()) {
            if (call.taken().compareAndSet(false, true)) {
                call.done().add(true);
            }
        }
    }

    private void beginAs(int stream, int index, FrameHeader header) {
        if (stream >= owners[index]) {
            owners[index] = stream;
            target.begin(index, header);
        }
    }

    private void segmentAs(int stream, int index, int segment, MemorySegment bytes) {
        if (owners[index] == stream) {
            target.segment(index, segment, bytes);
        }
    }

    /** Waits until the opening thread has delivered, for the bytes are lent only so long. */
    private void hand(int stream, Runnable work, Tasks.Mailbox<Boolean> done) {
        Call call = new Call(stream, work, new AtomicBoolean(), done);
        calls.add(call);
        boolean interrupted = false;
        while (true) {
            try {
                if (done.poll(Long.MAX_VALUE) != null) {
                    break;
                }
            } catch (InterruptedException e) {
                interrupted = true;
                if (call.taken().compareAndSet(false, true)) {
                    break; // nobody will deliver it
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
