package io.kvtier.codec.plan;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/**
 * Chooses the grade of every chunk that minimizes Σ importance × distortion under bytes ≤ rate ×
 * time left: a pure function, called again as segments arrive with the time really left.
 */
public final class Planner {
    /* Lagrangian relaxation: on each chunk's lower convex hull of (bytes, distortion) the steps
     * have falling slopes, so taking all chunks' steps in order of slope until one does not fit
     * gives the optimum for every budget that a multiplier reaches. Between two of those a chunk
     * whose next hull point is too far goes on along the hull of the points within reach, which
     * ends within one step of the optimum. Ties go to the earlier chunk and the lower grade, so
     * that equal inputs give equal plans everywhere.
     *
     * Y. Shoham and A. Gersho, Efficient Bit Allocation for an Arbitrary Set of Quantizers, IEEE
     * Trans. ASSP 36(9), 1988.
     */
    private static final Comparator<Step> BY_SLOPE =
            Comparator.comparingDouble(Step::slope)
                    .reversed()
                    .thenComparingInt(Step::chunk)
                    .thenComparing(Step::to);

    private Planner() {}

    private record Step(int chunk, Grade from, Grade to, long bytes, double gain) {
        double slope() {
            return gain / bytes;
        }
    }

    /**
     * Plans for the chunks of a prefix, in order.
     *
     * @param nanosLeft until the deadline; {@code Long.MAX_VALUE} = no deadline
     */
    public static Plan plan(List<PlannedChunk> chunks, Link link, long nanosLeft) {
        long budget = nanosLeft == Long.MAX_VALUE ? Long.MAX_VALUE : link.bytesWithin(nanosLeft);
        Grade[] grades = new Grade[chunks.size()];
        Arrays.fill(grades, Grade.NOTHING);
        long spent = 0;
        int fitting = 0;
        while (fitting < grades.length) {
            PlannedChunk chunk = chunks.get(fitting);
            Grade least = chunk.grades().getFirst();
            long bytes = chunk.bytes(least);
            if (bytes > budget - spent) {
                break;
            }
            spent += bytes;
            grades[fitting++] = least;
        }
        spent += refine(chunks.subList(0, fitting), grades, budget - spent);
        boolean all = fitting == grades.length;
        for (int i = 0; i < fitting; i++) {
            all &= next(chunks.get(i), grades[i], i, Long.MAX_VALUE).isEmpty();
        }
        Plan.Limit limit = Plan.Limit.NONE;
        if (!all) {
            limit = fitting < grades.length ? Plan.Limit.PREFIX : Plan.Limit.QUALITY;
        }
        double distortion = 0;
        for (int i = 0; i < fitting; i++) {
            distortion += chunks.get(i).distortion(grades[i]);
        }
        return new Plan(Arrays.asList(grades), spent, link.nanosFor(spent), distortion, limit);
    }

    /** Takes the steepest step that fits, again and again; returns the bytes spent. */
    private static long refine(List<PlannedChunk> chunks, Grade[] grades, long budget) {
        PriorityQueue<Step> steps = new PriorityQueue<>(BY_SLOPE);
        for (int i = 0; i < chunks.size(); i++) {
            steps.addAll(next(chunks.get(i), grades[i], i, budget));
        }
        long spent = 0;
        for (Step step = steps.poll(); step != null; step = steps.poll()) {
            int chunk = step.chunk();
            if (step.bytes() <= budget - spent) {
                spent += step.bytes();
                grades[chunk] = step.to();
            }
            steps.addAll(next(chunks.get(chunk), grades[chunk], chunk, budget - spent));
        }
        return spent;
    }

    /** The steepest way on from a grade within so many bytes: the next point of the lower hull. */
    private static List<Step> next(PlannedChunk chunk, Grade from, int index, long bytesMax) {
        List<Step> ahead = new ArrayList<>();
        for (Grade to : chunk.grades()) {
            long bytes = chunk.bytes(to) - chunk.bytes(from);
            double gain = chunk.distortion(from) - chunk.distortion(to);
            if (to.covers(from) && bytes > 0 && bytes <= bytesMax && gain > 0) {
                ahead.add(new Step(index, from, to, bytes, gain));
            }
        }
        return ahead.isEmpty() ? ahead : List.of(Collections.min(ahead, BY_SLOPE));
    }
}
