package io.kvtier.codec.plan;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.wire.ChunkDirectory;
import java.util.ArrayList;
import java.util.List;

/**
 * One chunk as the planner sees it.
 *
 * @param directory what the node holds of it
 * @param arrived what has arrived already, which costs nothing more
 * @param importance weights of its distortions
 */
public record PlannedChunk(ChunkDirectory directory, Grade arrived, Importance importance) {
    /**
     * Weights of a chunk's squared errors.
     *
     * @param head of the tokens before the tail
     * @param tail of the tail
     */
    public record Importance(double head, double tail) {
        /** A chunk like any other. */
        public static final Importance FAR = new Importance(1, 1);

        /**
         * The chunk that ends the request. A rung divides squared error by nine, so 9 and 81 ask
         * for one rung more than far chunks, and for two on its last tokens: what codec-study
         * measured as the best use of recency at chunk granularity.
         */
        public static final Importance LAST = new Importance(9, 81);

        /** Checks that both are finite and positive. */
        public Importance {
            check(
                    head > 0 && tail > 0 && Double.isFinite(head) && Double.isFinite(tail),
                    "importance",
                    head + "/" + tail,
                    "finite and positive");
        }

        /** The weights of chunk {@code index} of {@code count} by position alone. */
        public static Importance byPosition(int index, int count) {
            return index == count - 1 ? LAST : FAR;
        }
    }

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
        List<Grade> out = new ArrayList<>();
        int headMax = rungMax(true);
        int tailMax = rungMax(false);
        for (int head = 0; head <= headMax; head++) {
            for (int tail = head; tail <= Math.max(head, tailMax); tail++) {
                Grade grade = new Grade(head, tail);
                if (tail <= tailMax && grade.covers(arrived)) {
                    out.add(grade);
                }
            }
        }
        if (out.isEmpty()) {
            out.add(arrived);
        }
        return out;
    }

    /** Bytes still to be sent for a grade; the header counts with the first bytes of a chunk. */
    long bytes(Grade grade) {
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
        return importance.head() * head + importance.tail() * tail;
    }

    /** Highest rung held; a head without tokens follows the tail, and the other way round. */
    private int rungMax(boolean ofHead) {
        boolean headless = directory.tokens() <= directory.tailTokens();
        boolean tailless = directory.tailTokens() == 0;
        boolean byHead = tailless || (ofHead && !headless);
        int max = 0;
        for (ChunkDirectory.Entry entry : directory.parts().subList(0, directory.partsHeld())) {
            Span span = entry.part().span();
            boolean counts = byHead ? span.coversHead() : span.coversTail();
            max = counts ? Math.max(max, entry.part().rung()) : max;
        }
        return max;
    }
}
