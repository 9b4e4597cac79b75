package io.kvtier.codec.plan;

import io.kvtier.codec.plan.Plan.Limit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Chooses how many chunks to fetch, and the grade of each that minimizes Σ importance × distortion
 * under bytes ≤ rate × time left: a pure function, called again as segments arrive with the time
 * really left. What is not fetched is computed, where that is known to be possible.
 */
public final class Planner {
    /* Lagrangian relaxation: on each chunk's lower convex hull of (bytes, distortion) the steps
     * have falling slopes, so taking all chunks' steps in order of slope until one does not fit
     * gives the optimum for every budget that a multiplier reaches. Between two of those a chunk
     * whose next hull point is too far goes on along the hull of the points within reach. At the
     * first step that does not fit, no choice of grades is better than its slope times the bytes
     * left: what the plan stays behind that is its gap. Ties go to the earlier chunk and the lower
     * grade, so that equal inputs give equal plans everywhere.
     *
     * Y. Shoham and A. Gersho, Efficient Bit Allocation for an Arbitrary Set of Quantizers, IEEE
     * Trans. ASSP 36(9), 1988.
     */
    private final Choices[] choices;
    private final int[] at;
    private final List<Plan.Step> steps = new ArrayList<>();
    private long left;
    private long spent;
    private double gap;
    private boolean cut;

    private Planner(Choices[] choices, long budget) {
        this.choices = choices;
        this.at = new int[choices.length];
        this.left = budget;
    }

    /**
     * Plans for the chunks of a prefix, in order, by time alone.
     *
     * @param nanosLeft until the deadline; {@code Long.MAX_VALUE} = no deadline
     */
    public static Plan plan(List<PlannedChunk> chunks, Link link, long nanosLeft) {
        return plan(chunks, link, Goal.within(nanosLeft));
    }

    /** Plans for the chunks of a prefix, in order. */
    public static Plan plan(List<PlannedChunk> chunks, Link link, Goal goal) {
        Choices[] choices = choices(chunks, goal.loss());
        Split split = Split.choose(chunks, choices, link, goal);
        int count = chunks.size();
        Grade[] grades = new Grade[count];
        Arrays.fill(grades, Grade.NOTHING);
        if (split.fetched() == 0 && count > 0) {
            Limit reason = belowLoss(chunks, link, goal) ? Limit.LOSS : split.reason();
            long nanos = split.computeNanos();
            return new Plan(Arrays.asList(grades), List.of(), 0, nanos, 0, 0, reason);
        }
        boolean back = goal.model().fromTheBack();
        int from = back ? count - split.fetched() : 0;
        Planner planner = new Planner(choices, split.budget());
        planner.begin(from, from + split.fetched(), back);
        planner.refine(from, from + split.fetched());
        double distortion = 0;
        for (int i = from; i < from + split.fetched(); i++) {
            grades[i] = choices[i].grade(planner.at[i]);
            distortion += choices[i].distortion(planner.at[i]);
        }
        long fetch = planner.spent == 0 ? 0 : link.nanosFor(planner.spent, split.waiting());
        Limit limit = planner.cut ? Limit.QUALITY : Limit.NONE;
        return new Plan(
                Arrays.asList(grades),
                planner.steps,
                planner.spent,
                goal.model().finishNanos(fetch, split.computeNanos()),
                distortion,
                planner.gap,
                split.fetched() < count ? Limit.PREFIX : limit);
    }

    private static Choices[] choices(List<PlannedChunk> chunks, LossBudget loss) {
        Choices[] choices = new Choices[chunks.size()];
        for (int i = 0; i < choices.length; i++) {
            choices[i] = new Choices(chunks.get(i), loss);
        }
        return choices;
    }

    /** Whether a worse grade than the loss budget allows would have come in time. */
    private static boolean belowLoss(List<PlannedChunk> chunks, Link link, Goal goal) {
        if (Double.isInfinite(goal.loss().distortionPerElement())) {
            return false;
        }
        Choices[] any = choices(chunks, LossBudget.NONE);
        return Split.choose(chunks, any, link, goal).fetched() > 0;
    }

    /** Every fetched chunk at the least grade that is of use. */
    private void begin(int from, int to, boolean back) {
        for (int i = from; i < to; i++) {
            int chunk = back ? to - 1 - (i - from) : i;
            at[chunk] = choices[chunk].least();
            take(chunk, choices[chunk].bytes(at[chunk]));
        }
    }

    private void take(int chunk, long bytes) {
        if (bytes > 0) {
            steps.add(new Plan.Step(chunk, choices[chunk].grade(at[chunk])));
            left -= bytes;
            spent += bytes;
        }
    }

    /** Takes the steepest step that fits, again and again. */
    private void refine(int from, int to) {
        StepHeap heap = new StepHeap(from, to);
        for (int chunk = from; chunk < to; chunk++) {
            push(heap, chunk, Long.MAX_VALUE);
        }
        while (!heap.isEmpty()) {
            int chunk = heap.chunk();
            int next = heap.choice();
            double slope = heap.slope();
            heap.pop();
            Choices choice = choices[chunk];
            long bytes = choice.bytes(next) - choice.bytes(at[chunk]);
            boolean fits = bytes <= left;
            if (fits) {
                double gain = choice.distortion(at[chunk]) - choice.distortion(next);
                gap = cut ? gap - gain : 0;
                at[chunk] = next;
                take(chunk, bytes);
            } else if (!cut) {
                cut = true;
                gap = slope * left;
            }
            push(heap, chunk, fits ? Long.MAX_VALUE : left);
        }
        gap = Math.max(0, gap);
    }

    private void push(StepHeap heap, int chunk, long bytesMax) {
        int next = choices[chunk].next(at[chunk], bytesMax);
        if (next >= 0) {
            heap.push(chunk, next, choices[chunk].slope(at[chunk], next));
        }
    }
}
