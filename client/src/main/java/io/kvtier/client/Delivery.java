package io.kvtier.client;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.PartSet;
import java.util.List;

/**
 * What a stream brought by its deadline, and why it is no better: a prefix of the match or, for an
 * engine that computes from the front, its end.
 *
 * @param hit chunks that matched
 * @param admitted chunks of the first plan
 * @param first index in the match of the first delivered chunk, 0 but for such engines
 * @param chunks those delivered, in order, each with at least its base and within the loss budget
 * @param end why they are not more
 * @param endMessage details of the end, empty when there are none
 * @param bytes received, those included that were of no use
 * @param elapsedNanos from the call to its return
 * @param bytesPerSecond estimate of the link at the end, a lower bound
 * @param plannedNanos by the first plan, until the request is done: fetched, decoded and, where its
 *     cost is known, the rest computed; 0 = not planned here
 * @param computeNanos what computing everything takes, 0 = unknown
 * @param asked what was asked for, in that order; empty when the node planned
 * @param retryMillis after how long a node that refused may have room, 0 = nobody refused
 */
public record Delivery(
        int hit,
        int admitted,
        int first,
        List<Chunk> chunks,
        Cut end,
        String endMessage,
        long bytes,
        long elapsedNanos,
        double bytesPerSecond,
        long plannedNanos,
        long computeNanos,
        List<Asked> asked,
        int retryMillis) {
    /** Why a chunk, or the prefix, is not what the node holds at best. */
    public enum Cut {
        /** It is. */
        NONE,
        /** The plan asked for no more, for the link is too slow for the time left. */
        LINK,
        /** The time was over before the rest had come. */
        DEADLINE,
        /** Computing is done sooner: before the first byte, or since the link fell. */
        SLOWER,
        /** Nothing that would come in time is within the loss budget. */
        LOSS,
        /** A tenth of the time of computing went by without a usable chunk. */
        STALLED,
        /** The node does not hold the chunk any more. */
        MISS,
        /** The node's encoding changed too often. */
        ENCODING_CHANGED,
        /** The node holds fewer parts than it said. */
        NOT_HELD,
        /** The node refused for lack of something. */
        OVERLOADED,
        /** Bytes were not what they claimed to be. */
        CORRUPT,
        /** The connection broke. */
        CONNECTION
    }

    /**
     * One delivered chunk.
     *
     * @param encodingId of all its segments
     * @param parts that arrived whole
     * @param grade the best that decodes from them
     * @param cut why it is no better
     */
    public record Chunk(Digest key, Digest encodingId, PartSet parts, Grade grade, Cut cut) {}

    /**
     * A request that was sent.
     *
     * @param nanos since the stream began
     * @param chunk index in the match
     * @param bytesPerSecond estimate of the link then, a lower bound
     * @param plannedBytes that the plan still wanted then, this request's included
     */
    public record Asked(
            long nanos,
            int chunk,
            int partFrom,
            int partTo,
            double bytesPerSecond,
            long plannedBytes) {}

    /** Copies the lists. */
    public Delivery {
        chunks = List.copyOf(chunks);
        asked = List.copyOf(asked);
    }

    /** Chunks delivered. */
    public int delivered() {
        return chunks.size();
    }
}
