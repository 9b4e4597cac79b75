package io.kvtier.flight;

import io.kvtier.storage.NanoClock;
import java.util.Iterator;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.arrow.memory.BufferAllocator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Child allocators, one for each call, whose close is the leak check.
 *
 * <p>A call ends before the network has let go of its last buffers, so an allocator that is
 * returned is closed by {@link #sweep} once it is empty; one that stays in use is reported.
 */
final class CallMemory {
    private static final Logger LOG = LoggerFactory.getLogger(CallMemory.class);
    private static final long LEAK_AFTER_NANOS = TimeUnit.SECONDS.toNanos(30);

    private final BufferAllocator parent;
    private final NanoClock clock;
    private final ConcurrentLinkedQueue<Returned> returned = new ConcurrentLinkedQueue<>();
    private final AtomicInteger open = new AtomicInteger();
    private final AtomicLong names = new AtomicLong();
    private final AtomicLong leaks = new AtomicLong();

    private static final class Returned {
        final BufferAllocator allocator;
        final long sinceNanos;
        boolean reported;

        Returned(BufferAllocator allocator, long sinceNanos) {
            this.allocator = allocator;
            this.sinceNanos = sinceNanos;
        }
    }

    CallMemory(BufferAllocator parent, NanoClock clock) {
        this.parent = parent;
        this.clock = clock;
    }

    /** A new allocator, to be given back by {@link #giveBack}. */
    BufferAllocator take(String call) {
        open.incrementAndGet();
        return parent.newChildAllocator(call + "-" + names.incrementAndGet(), 0, parent.getLimit());
    }

    /** Ends a call's use of its allocator. */
    void giveBack(BufferAllocator allocator) {
        returned.add(new Returned(allocator, clock.nanoTime()));
        sweep();
    }

    /** Closes what is empty by now. */
    synchronized void sweep() {
        Iterator<Returned> each = returned.iterator();
        while (each.hasNext()) {
            Returned call = each.next();
            if (call.allocator.getAllocatedMemory() == 0) {
                each.remove();
                call.allocator.close();
                open.decrementAndGet();
            } else if (!call.reported && clock.nanoTime() - call.sinceNanos > LEAK_AFTER_NANOS) {
                call.reported = true;
                leaks.incrementAndGet();
                LOG.error(
                        "call={} leakedBytes={} seconds after its end",
                        call.allocator.getName(),
                        call.allocator.getAllocatedMemory());
            }
        }
    }

    /** Calls whose memory is not yet all free: 0 when nothing is under way and nothing leaks. */
    int openCalls() {
        return open.get();
    }

    /** Calls that did not give their memory back. */
    long leaks() {
        return leaks.get();
    }
}
