package io.kvtier.flight;

import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.SegmentEntry;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLongArray;

/** Bytes by the rung that they belong to; headers count with rung 0. Thread-safety: all methods. */
final class RungCounts {
    private final AtomicLongArray bytes = new AtomicLongArray(Part.RUNGS_MAX);

    /** Counts what one reply carries of a frame. */
    void add(FrameHeader header, FrameSlice slice) {
        if (slice.hasHeader()) {
            long _ = bytes.addAndGet(0, header.headerBytes());
        }
        int end = slice.firstSegment() + slice.segments();
        for (SegmentEntry segment : header.segments().subList(slice.firstSegment(), end)) {
            add(header, segment);
        }
    }

    /** Counts the parts of a frame that are held. */
    void add(FrameHeader header, int partsHeld) {
        long _ = bytes.addAndGet(0, header.headerBytes());
        for (SegmentEntry segment : header.segments()) {
            if (segment.part() < partsHeld) {
                add(header, segment);
            }
        }
    }

    private void add(FrameHeader header, SegmentEntry segment) {
        int rung = header.parts().get(segment.part()).rung();
        long _ = bytes.addAndGet(rung, segment.bytes());
    }

    /** Bytes of rung 0, 1, …. */
    List<Long> report() {
        List<Long> out = new ArrayList<>();
        for (int rung = 0; rung < Part.RUNGS_MAX; rung++) {
            out.add(bytes.get(rung));
        }
        return out;
    }
}
