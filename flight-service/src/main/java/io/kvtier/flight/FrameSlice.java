package io.kvtier.flight;

import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.wire.SegmentRequest;
import java.util.ArrayList;
import java.util.List;

/**
 * A run of a frame's bytes that one reply carries: perhaps the header, then whole segments.
 *
 * @param hasHeader whether it begins with the header
 * @param firstSegment index of the first segment
 * @param segments count of segments
 * @param offset in the frame
 * @param bytes length
 */
record FrameSlice(boolean hasHeader, int firstSegment, int segments, long offset, long bytes) {
    /** Cuts the parts {@code from .. to - 1} into replies of about {@code bytesMax}. */
    static List<FrameSlice> of(
            FrameHeader header,
            int from,
            int to,
            boolean withHeader,
            long headGroups,
            long bytesMax) {
        int first = header.firstSegment(from);
        int end = header.firstSegment(to);
        List<FrameSlice> out = new ArrayList<>();
        if (withHeader) {
            out.add(new FrameSlice(true, first, 0, 0, header.headerBytes()));
        }
        long at = header.offset(first);
        for (int i = first; i < end; i++) {
            SegmentEntry segment = header.segments().get(i);
            boolean wanted =
                    headGroups == SegmentRequest.ALL_HEADS
                            || (headGroups >> segment.headGroup() & 1) != 0;
            if (wanted) {
                append(out, i, at, segment.bytes(), bytesMax);
            }
            at += segment.bytes();
        }
        return out;
    }

    private static void append(
            List<FrameSlice> out, int segment, long offset, int bytes, long bytesMax) {
        FrameSlice last = out.isEmpty() ? null : out.getLast();
        if (last != null
                && last.offset + last.bytes == offset
                && last.firstSegment + last.segments == segment
                && last.bytes + bytes <= bytesMax) {
            FrameSlice longer =
                    new FrameSlice(
                            last.hasHeader,
                            last.firstSegment,
                            last.segments + 1,
                            last.offset,
                            last.bytes + bytes);
            out.set(out.size() - 1, longer);
        } else {
            out.add(new FrameSlice(false, segment, 1, offset, bytes));
        }
    }
}
