package io.kvtier.client;

import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.Importance;
import io.kvtier.codec.plan.PartSet;
import io.kvtier.codec.plan.PlannedChunk;
import io.kvtier.codec.wire.ChunkDirectory;

/**
 * One chunk of a stream under way, as its plan sees it.
 *
 * @param directory what the node holds of it
 * @param requested parts that were asked for, those included that arrived
 * @param arrived parts that are here in whole
 * @param importance weights of its distortions
 */
public record StreamedChunk(
        ChunkDirectory directory, PartSet requested, PartSet arrived, Importance importance) {
    /** The chunk, what is under way counted as there. */
    PlannedChunk granted() {
        PartSet held = requested.without(directory.partsHeld(), directory.parts().size());
        return new PlannedChunk(directory, held.grade(directory), importance);
    }

    /** Bytes of the parts that are held and were not asked for. */
    long bytesNotAskedFor() {
        long bytes = requested.equals(PartSet.NONE) ? directory.headerBytes() : 0;
        for (int part = 0; part < directory.partsHeld(); part++) {
            bytes += requested.has(part) ? 0 : directory.parts().get(part).bytes();
        }
        return bytes;
    }

    /** The chunk with what is here. */
    PlannedChunk here() {
        return new PlannedChunk(directory, arrived.grade(directory), importance);
    }

    /** Whether a grade uses the parts of a request. */
    boolean wants(Grade grade, int partFrom, int partTo) {
        for (int part = partFrom; part < partTo; part++) {
            if (grade.uses(directory.parts().get(part).part())) {
                return true;
            }
        }
        return false;
    }
}
