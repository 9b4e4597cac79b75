package io.kvtier.client;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.frame.Part;
import io.kvtier.codec.plan.ExecutionModel;
import io.kvtier.codec.plan.LossBudget;
import io.kvtier.codec.plan.Recompute;

/**
 * What one stream is asked for, besides its deadline.
 *
 * @param rungMax highest rung of use to the reader
 * @param decodeNanosPerChunk time to decode one chunk, by a reader that decodes while bytes arrive
 * @param decodeNanosAfter time that a reader needs behind the last byte: the stream ends so much
 *     before the deadline
 * @param model how the engine puts together what is fetched and what is computed
 * @param recompute what computing costs instead; when it is known, nothing is fetched that
 *     computing would have sooner
 * @param loss what a chunk may lose at most, whatever the deadline
 */
public record StreamOptions(
        int rungMax,
        long decodeNanosPerChunk,
        long decodeNanosAfter,
        ExecutionModel model,
        Recompute recompute,
        LossBudget loss) {
    /** Checks ranges. */
    public StreamOptions {
        check(rungMax >= 0 && rungMax < Part.RUNGS_MAX, "rungMax", rungMax, "0..3");
        check(decodeNanosPerChunk >= 0, "decodeNanosPerChunk", decodeNanosPerChunk, "0 or more");
        check(decodeNanosAfter >= 0, "decodeNanosAfter", decodeNanosAfter, "0 or more");
    }

    /** The best prefix by the deadline: decoding not counted, computing not weighed, any loss. */
    public static StreamOptions defaults() {
        return new StreamOptions(
                Part.RUNGS_MAX - 1,
                0,
                0,
                new ExecutionModel.Sequential(),
                Recompute.UNKNOWN,
                LossBudget.NONE);
    }

    /** The same up to another rung. */
    public StreamOptions withRungMax(int rung) {
        return new StreamOptions(
                rung, decodeNanosPerChunk, decodeNanosAfter, model, recompute, loss);
    }

    /** The same with time to decode each chunk while others arrive. */
    public StreamOptions withDecodeNanosPerChunk(long nanos) {
        return new StreamOptions(rungMax, nanos, decodeNanosAfter, model, recompute, loss);
    }

    /** The same with time kept free behind the last byte. */
    public StreamOptions withDecodeNanosAfter(long nanos) {
        return new StreamOptions(rungMax, decodeNanosPerChunk, nanos, model, recompute, loss);
    }

    /** The same for another engine. */
    public StreamOptions withModel(ExecutionModel other) {
        return new StreamOptions(
                rungMax, decodeNanosPerChunk, decodeNanosAfter, other, recompute, loss);
    }

    /** The same with the cost of computing. */
    public StreamOptions withRecompute(Recompute other) {
        return new StreamOptions(
                rungMax, decodeNanosPerChunk, decodeNanosAfter, model, other, loss);
    }

    /** The same with a loss budget. */
    public StreamOptions withLoss(LossBudget other) {
        return new StreamOptions(
                rungMax, decodeNanosPerChunk, decodeNanosAfter, model, recompute, other);
    }
}
