package io.kvtier.node.sim;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;

/**
 * A node and its link in virtual time: answers requests in their order, in replies of at most so
 * many bytes, which follow each other without a gap at the trace's rate. A request that was taken
 * back is ended before its next reply. Buffers of a network, in which replies would wait that can
 * no longer be taken back, are not modelled.
 */
final class VirtualNode {
    /** What surrounds the bytes of a reply: metadata, Arrow's message, the frames of HTTP/2. */
    static final int REPLY_BYTES = 300;

    private final BandwidthTrace trace;
    private final long roundTripNanos;
    private final long sliceBytes;
    private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();
    private final Map<Integer, Long> takenBack = new HashMap<>();
    private long freeNanos;

    private static final class Waiting {
        private final int number;
        private final long readyNanos;
        private long bytesLeft;

        Waiting(int number, long readyNanos, long bytes) {
            this.number = number;
            this.readyNanos = readyNanos;
            this.bytesLeft = bytes;
        }
    }

    /**
     * A reply.
     *
     * @param number of its request
     * @param bytes of frames
     * @param last whether the request is over
     * @param whole whether it was answered to its end
     */
    record Reply(int number, long bytes, boolean last, boolean whole, long atNanos) {}

    VirtualNode(StreamCase request, long sliceBytes) {
        this.trace = request.trace();
        this.roundTripNanos = request.roundTripNanos();
        this.sliceBytes = sliceBytes;
    }

    /** A request has left its reader. */
    void request(int number, long bytes, long now) {
        waiting.add(new Waiting(number, now + roundTripNanos, bytes));
    }

    /** The reader took a request back. */
    void takeBack(int number, long now) {
        takenBack.put(number, now + roundTripNanos);
    }

    /** When the next reply will be there, {@code Long.MAX_VALUE} = none. */
    long nextNanos() {
        Waiting head = waiting.peek();
        return head == null ? Long.MAX_VALUE : reply(head).atNanos();
    }

    /** The next reply, of which there is one. */
    Reply take() {
        Waiting head = waiting.element();
        Reply reply = reply(head);
        freeNanos = reply.atNanos();
        head.bytesLeft -= reply.bytes();
        if (reply.last()) {
            Iterator<Waiting> first = waiting.iterator();
            var _ = first.next();
            first.remove();
        }
        return reply;
    }

    private Reply reply(Waiting head) {
        long start = Math.max(freeNanos, head.readyNanos);
        Long ended = takenBack.get(head.number);
        boolean cut = ended != null && ended <= start;
        long bytes = cut ? 0 : Math.min(sliceBytes, head.bytesLeft);
        boolean last = cut || bytes == head.bytesLeft;
        long at = trace.whenPassed(start, bytes + REPLY_BYTES);
        return new Reply(head.number, bytes, last, !cut, at);
    }
}
