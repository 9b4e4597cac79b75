package io.kvtier.codec.plan;

import io.kvtier.codec.wire.ChunkDirectory;
import java.util.List;
import java.util.Optional;

/**
 * In which order the parts of a plan are sent: by the plan's steps, so what makes each chunk usable
 * first, from the end on that the execution model builds on, then what takes most distortion away.
 */
public final class SendOrder {
    private SendOrder() {}

    /**
     * A run of parts of one chunk.
     *
     * @param chunk index in the plan
     * @param partFrom first part
     * @param partTo behind the last part
     */
    public record Item(int chunk, int partFrom, int partTo) {
        /** Bytes of the parts. */
        public long bytes(ChunkDirectory directory) {
            long bytes = 0;
            for (int part = partFrom; part < partTo; part++) {
                bytes += directory.parts().get(part).bytes();
            }
            return bytes;
        }
    }

    /** The next parts to send, empty when all that the plan wants is under way. */
    public static Optional<Item> next(
            Plan plan, List<ChunkDirectory> directories, List<PartSet> sent) {
        List<Plan.Step> steps = plan.steps();
        int i = 0;
        while (i < steps.size()) {
            int chunk = steps.get(i).chunk();
            int last = i;
            // What follows each other is one request, but never the base and what refines it.
            while (sent.get(chunk).has(0)
                    && last + 1 < steps.size()
                    && steps.get(last + 1).chunk() == chunk) {
                last++;
            }
            Grade grade = steps.get(last).to();
            Optional<Item> item = item(chunk, grade, directories.get(chunk), sent.get(chunk));
            if (item.isPresent()) {
                return item;
            }
            i = last + 1;
        }
        return Optional.empty();
    }

    private static Optional<Item> item(
            int chunk, Grade grade, ChunkDirectory directory, PartSet sent) {
        int from = 0;
        while (from < directory.partsHeld() && !wants(grade, directory, sent, from)) {
            from++;
        }
        if (from >= directory.partsHeld()) {
            return Optional.empty();
        }
        int to = from + 1;
        while (to < directory.partsHeld() && wants(grade, directory, sent, to)) {
            to++;
        }
        return Optional.of(new Item(chunk, from, to));
    }

    private static boolean wants(Grade grade, ChunkDirectory directory, PartSet sent, int part) {
        return !sent.has(part) && grade.uses(directory.parts().get(part).part());
    }
}
