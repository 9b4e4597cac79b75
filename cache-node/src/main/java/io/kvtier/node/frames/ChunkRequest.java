package io.kvtier.node.frames;

import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.plan.Grade;
import java.util.List;

/**
 * What is asked of one chunk.
 *
 * @param grade that everything asked for makes up
 * @param headGroups layer groups whose heads reach the grade's head rung; those of others stay one
 *     rung lower; none = all reach it
 */
public record ChunkRequest(Grade grade, List<Integer> headGroups) {
    /** Copies the list. */
    public ChunkRequest {
        headGroups = List.copyOf(headGroups);
    }

    /** The same of every group. */
    public static ChunkRequest of(Grade grade) {
        return new ChunkRequest(grade, List.of());
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
        int end = first + entry.layerGroups();
        return everyGroup || headGroups.stream().anyMatch(group -> group >= first && group < end);
    }
}
