package io.kvtier.codec.plan;

import io.kvtier.codec.wire.ChunkDirectory;
import java.util.List;
import java.util.Optional;

/**
 * In which order the parts of a plan are sent: the base of all chunks from the first one on, so
 * that what is there at the deadline is the longest prefix, then refinements from the chunk that
 * ends the request backwards, where they count most.
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
        int chunks = plan.chunks();
        for (int chunk = 0; chunk < chunks; chunk++) {
            if (!sent.get(chunk).has(0)) {
                return Optional.of(new Item(chunk, 0, 1));
            }
        }
        for (int chunk = chunks - 1; chunk >= 0; chunk--) {
            Optional<Item> item =
                    refinement(
                            chunk,
                            plan.grades().get(chunk),
                            directories.get(chunk),
                            sent.get(chunk));
            if (item.isPresent()) {
                return item;
            }
        }
        return Optional.empty();
    }

    private static Optional<Item> refinement(
            int chunk, Grade grade, ChunkDirectory directory, PartSet sent) {
        int from = 1;
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
