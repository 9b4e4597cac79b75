package io.kvtier.codec.plan;

import io.kvtier.codec.frame.Part;
import io.kvtier.codec.wire.ChunkDirectory;
import java.util.List;

/**
 * One chunk as the planner sees it.
 *
 * @param directory what the node holds of it
 * @param arrived what has arrived already, which costs nothing more
 * @param importance weights of its distortions
 */
public record PlannedChunk(ChunkDirectory directory, Grade arrived, Importance importance) {
    /** A chunk of which nothing has arrived. */
    public static PlannedChunk fresh(ChunkDirectory directory, Importance importance) {
        return new PlannedChunk(directory, Grade.NOTHING, importance);
    }

    /**
     * Every grade from what has arrived, or the base, on that the held parts allow; what has
     * arrived alone when the directory does not know of it, for the node may have come to hold more
     * since.
     */
    List<Grade> grades() {
        return List.of(new Choices(this, LossBudget.NONE).grades());
    }

    /** Bytes still to be sent for a grade; the header counts with the first bytes of a chunk. */
    public long bytes(Grade grade) {
        long bytes = arrived.equals(Grade.NOTHING) ? directory.headerBytes() : 0;
        for (ChunkDirectory.Entry entry : directory.parts()) {
            if (grade.uses(entry.part()) && !arrived.uses(entry.part())) {
                bytes += entry.bytes();
            }
        }
        return bytes;
    }

    /** Weighted squared error that is left at a grade. */
    public double distortion(Grade grade) {
        return distortion(grade, importance);
    }

    /** Squared error that is left at a grade, by other weights. */
    public double distortion(Grade grade, Importance weights) {
        double head = 0;
        double tail = 0;
        for (ChunkDirectory.Entry entry : directory.parts()) {
            Part part = entry.part();
            if (part.span().coversHead() && part.rung() == grade.headRung()) {
                head = entry.distortion();
            }
            if (part.span().coversTail() && part.rung() == grade.tailRung()) {
                tail = entry.tailDistortion();
            }
        }
        return weights.head() * head + weights.tail() * tail;
    }

    /** Whether a grade is within a loss budget. */
    public boolean isWithin(LossBudget loss, Grade grade) {
        return distortion(grade, Importance.FAR) <= loss.of(directory.tokens());
    }
}
