package io.kvtier.node.frames;

import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.plan.Grade;
import java.util.List;
import java.util.stream.IntStream;

/**
 * What is asked of one chunk.
 *
 * @param grade that everything asked for makes up
 * @param headGroups layer groups whose heads reach the grade's head rung; those of others stay one
 *     rung lower; none = all reach it
 * @param hidden layer groups that are not asked for at all
 */
public record ChunkRequest(Grade grade, List<Integer> headGroups, List<Integer> hidden) {
    /** Copies the lists. */
    public ChunkRequest {
        headGroups = List.copyOf(headGroups);
        hidden = List.copyOf(hidden);
    }

    /** The same of every group. */
    public static ChunkRequest of(Grade grade) {
        return new ChunkRequest(grade, List.of(), List.of());
    }

    /** The same without some layer groups. */
    public ChunkRequest without(List<Integer> groups) {
        return new ChunkRequest(grade, headGroups, groups);
    }

    /** Whether a segment of a frame is asked for. */
    public boolean uses(FrameHeader header, int segment) {
        SegmentEntry entry = header.segments().get(segment);
        return uses(header.parts().get(entry.part()), entry);
    }

    /** What it takes of a frame: the header, and the segments that are asked for. */
    public long bytes(FrameHeader header) {
        return header.headerBytes()
                + IntStream.range(0, header.segments().size())
                        .filter(segment -> uses(header, segment))
                        .mapToLong(segment -> header.segments().get(segment).bytes())
                        .sum();
    }

    /**
     * Whether a segment is asked for. One that several groups share is, when one of them needs it.
     */
    public boolean uses(Part part, SegmentEntry entry) {
        if (!grade.uses(part)) {
            return false;
        }
        boolean everyGroup =
                headGroups.isEmpty() || part.rung() < grade.headRung() || part.span().coversTail();
        int first = entry.firstLayerGroup();
        return IntStream.range(first, first + entry.layerGroups())
                .filter(group -> everyGroup || headGroups.contains(group))
                .anyMatch(group -> !hidden.contains(group));
    }
}
