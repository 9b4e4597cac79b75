package io.kvtier.node.sim;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.plan.Importance;
import io.kvtier.codec.plan.PlannedChunk;
import io.kvtier.codec.wire.ChunkDirectory;
import java.util.ArrayList;
import java.util.List;

/**
 * One request for the chunks of a prefix over a link.
 *
 * @param deadlineNanos from the first request until the last byte
 * @param roundTripNanos from a request to its first byte when nothing is ahead of it
 * @param hintBytesPerSecond what is believed of the link before anything was measured, 0 = nothing
 * @param chunks what the node holds
 */
public record StreamCase(
        BandwidthTrace trace,
        long deadlineNanos,
        long roundTripNanos,
        long hintBytesPerSecond,
        List<ChunkDirectory> chunks) {
    /** Copies the list and checks ranges. */
    public StreamCase {
        chunks = List.copyOf(chunks);
        check(deadlineNanos > 0, "deadline", deadlineNanos, "more than 0");
        check(roundTripNanos >= 0, "round trip", roundTripNanos, "0 or more");
        check(!chunks.isEmpty(), "chunks", 0, "1 or more");
    }

    /** The chunks as a planner sees them before anything has come. */
    List<PlannedChunk> planned() {
        List<PlannedChunk> out = new ArrayList<>(chunks.size());
        for (int i = 0; i < chunks.size(); i++) {
            out.add(PlannedChunk.fresh(chunks.get(i), importance(i)));
        }
        return out;
    }

    /** Of everything that is held. */
    long bytes() {
        long bytes = 0;
        for (ChunkDirectory chunk : chunks) {
            bytes += chunk.headerBytes();
            for (ChunkDirectory.Entry part : chunk.parts().subList(0, chunk.partsHeld())) {
                bytes += part.bytes();
            }
        }
        return bytes;
    }

    /** Weights of a chunk's errors, for every policy and the score alike. */
    Importance importance(int chunk) {
        return Importance.byPosition(chunk, chunks.size());
    }

    /** A row of a policy in this case that brought everything in time. */
    PolicyScore met(StreamPolicy policy, double distortion, long bytes) {
        return new PolicyScore(
                trace.name(), deadlineNanos / 1e6, policy.name(), true, distortion, bytes);
    }

    /** A row of a policy that did not. */
    PolicyScore missed(StreamPolicy policy, long bytes) {
        return new PolicyScore(
                trace.name(), deadlineNanos / 1e6, policy.name(), false, Double.NaN, bytes);
    }
}
