package io.kvtier.codec.plan;

import static io.kvtier.codec.error.InvalidRequestException.check;

/**
 * What a plan is made for.
 *
 * @param nanosLeft until the deadline of the request; {@code Long.MAX_VALUE} = no deadline
 * @param nanosSpent since the request began to fetch: computing could have begun then
 */
public record Goal(
        long nanosLeft,
        long nanosSpent,
        ExecutionModel model,
        Recompute recompute,
        LossBudget loss) {
    /** Checks ranges. */
    public Goal {
        check(nanosLeft >= 0, "nanosLeft", nanosLeft, "0 or more");
        check(nanosSpent >= 0, "nanosSpent", nanosSpent, "0 or more");
    }

    /** The best prefix within the time; nothing is known of computing, and any loss will do. */
    public static Goal within(long nanosLeft) {
        return new Goal(
                nanosLeft, 0, new ExecutionModel.Sequential(), Recompute.UNKNOWN, LossBudget.NONE);
    }

    /** The same for another engine. */
    public Goal withModel(ExecutionModel other) {
        return new Goal(nanosLeft, nanosSpent, other, recompute, loss);
    }

    /** The same with the cost of computing. */
    public Goal withRecompute(Recompute other) {
        return new Goal(nanosLeft, nanosSpent, model, other, loss);
    }

    /** The same with a loss budget. */
    public Goal withLoss(LossBudget other) {
        return new Goal(nanosLeft, nanosSpent, model, recompute, other);
    }

    /** The same later on. */
    public Goal at(long newNanosLeft, long newNanosSpent) {
        return new Goal(newNanosLeft, newNanosSpent, model, recompute, loss);
    }
}
