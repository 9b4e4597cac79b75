package io.kvtier.codec.plan;

import io.kvtier.codec.frame.Part;
import io.kvtier.codec.wire.ChunkDirectory;
import java.util.Arrays;
import java.util.List;

/** The grades that one chunk can be had at, with what each costs and leaves. */
final class Choices {
    private static final Grade[][] GRADES = new Grade[Part.RUNGS_MAX][Part.RUNGS_MAX];

    static {
        for (int head = 0; head < Part.RUNGS_MAX; head++) {
            for (int tail = head; tail < Part.RUNGS_MAX; tail++) {
                GRADES[head][tail] = new Grade(head, tail);
            }
        }
    }

    private final Grade[] grades;
    private final long[] bytes;
    private final double[] distortion;
    private final int least;

    Choices(PlannedChunk chunk, LossBudget loss) {
        ChunkDirectory directory = chunk.directory();
        Grade arrived = chunk.arrived();
        // Bytes and errors of a grade are those of its head rung and those of its tail rung.
        long[] headBytes = new long[Part.RUNGS_MAX];
        long[] tailBytes = new long[Part.RUNGS_MAX];
        double[] headError = new double[Part.RUNGS_MAX];
        double[] tailError = new double[Part.RUNGS_MAX];
        int headMax = 0;
        int tailMax = 0;
        List<ChunkDirectory.Entry> parts = directory.parts();
        for (int i = 0; i < parts.size(); i++) {
            ChunkDirectory.Entry entry = parts.get(i);
            int rung = entry.part().rung();
            boolean ofHead = entry.part().span().coversHead();
            boolean ofTail = entry.part().span().coversTail();
            if (!arrived.uses(entry.part())) {
                (ofTail ? tailBytes : headBytes)[rung] += entry.bytes();
            }
            headError[rung] = ofHead ? entry.distortion() : headError[rung];
            tailError[rung] = ofTail ? entry.tailDistortion() : tailError[rung];
            if (i < directory.partsHeld()) {
                headMax = ofHead ? Math.max(headMax, rung) : headMax;
                tailMax = ofTail ? Math.max(tailMax, rung) : tailMax;
            }
        }
        // A head without tokens follows the tail, and the other way round.
        boolean tailless = directory.tailTokens() == 0;
        boolean headless = !tailless && directory.tokens() <= directory.tailTokens();
        headMax = headless ? tailMax : headMax;
        tailMax = tailless ? headMax : tailMax;

        int count = 0;
        Grade[] found = new Grade[(headMax + 1) * (tailMax + 1)];
        for (int head = 0; head <= headMax; head++) {
            for (int tail = head; tail <= tailMax; tail++) {
                if (GRADES[head][tail].covers(arrived)) {
                    found[count++] = GRADES[head][tail];
                }
            }
        }
        if (count == 0) {
            found[count++] = arrived;
        }
        grades = Arrays.copyOf(found, count);
        bytes = new long[count];
        distortion = new double[count];
        long header = arrived.equals(Grade.NOTHING) ? directory.headerBytes() : 0;
        double errorMax = loss.of(directory.tokens());
        int cheapest = -1;
        for (int i = 0; i < count; i++) {
            int head = grades[i].headRung();
            int tail = grades[i].tailRung();
            bytes[i] = header + sum(headBytes, head) + sum(tailBytes, tail);
            Importance weights = chunk.importance();
            distortion[i] = weights.head() * headError[head] + weights.tail() * tailError[tail];
            boolean within = headError[head] + tailError[tail] <= errorMax;
            if (within && (cheapest < 0 || bytes[i] < bytes[cheapest])) {
                cheapest = i;
            }
        }
        least = cheapest;
    }

    private static long sum(long[] bytes, int rung) {
        long sum = 0;
        for (int r = 0; r <= rung; r++) {
            sum += bytes[r];
        }
        return sum;
    }

    Grade[] grades() {
        return grades.clone();
    }

    /** The cheapest grade within the loss budget, −1 when none is. */
    int least() {
        return least;
    }

    Grade grade(int choice) {
        return grades[choice];
    }

    long bytes(int choice) {
        return bytes[choice];
    }

    double distortion(int choice) {
        return distortion[choice];
    }

    /** Distortion that a step takes away for each byte. */
    double slope(int from, int to) {
        return (distortion[from] - distortion[to]) / (bytes[to] - bytes[from]);
    }

    /**
     * The steepest way on from a choice within so many bytes, the next point of the lower convex
     * hull; −1 when there is none. Of equal ones the lower grade.
     */
    int next(int from, long bytesMax) {
        int best = -1;
        double steepest = 0;
        for (int to = 0; to < grades.length; to++) {
            long more = bytes[to] - bytes[from];
            if (more <= 0 || more > bytesMax || !grades[to].covers(grades[from])) {
                continue;
            }
            double slope = slope(from, to);
            boolean lower = best < 0 || grades[to].compareTo(grades[best]) < 0;
            if (slope > steepest || (slope == steepest && slope > 0 && lower)) {
                best = to;
                steepest = slope;
            }
        }
        return best;
    }
}
