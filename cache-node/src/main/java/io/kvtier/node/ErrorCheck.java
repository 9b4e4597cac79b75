package io.kvtier.node;

import io.kvtier.client.Delivery;
import io.kvtier.client.Match;
import io.kvtier.codec.WhitenedError;
import io.kvtier.codec.plan.Importance;
import io.kvtier.codec.plan.PlannedChunk;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.node.tensors.CacheFile;

/**
 * How far decoded chunks are from the original, against what their frames promised: root mean
 * square over a chunk's elements, in the profile's whitened domain.
 *
 * @param maxError of the worst chunk
 * @param maxBound largest promise
 * @param within whether every chunk kept its own promise
 */
record ErrorCheck(double maxError, double maxBound, boolean within) {
    /* A frame states what quantization leaves. Rounding to float16 and the float16 matrices, which
     * are not quite each other's inverse, come on top: 0.2 % of the sum at the finest rung.
     */
    private static final double ROUNDING = 1.01;

    /** Compares the decoded prefix with the original, chunk by chunk. */
    static ErrorCheck of(
            CacheFile original,
            CacheFile decoded,
            Match match,
            Delivery delivery,
            Profile profile) {
        WhitenedError measure = new WhitenedError(profile);
        double error = 0;
        double bound = 0;
        boolean within = delivery.delivered() > 0;
        for (int i = 0; i < delivery.delivered(); i++) {
            ChunkDirectory directory = match.chunks().get(i);
            double elements =
                    (double) directory.tokens()
                            * original.namespace().geometry().elementsPerToken();
            double squares = measure.between(original.chunk(i), decoded.chunk(i));
            PlannedChunk chunk = PlannedChunk.fresh(directory, Importance.FAR);
            double promised = chunk.distortion(delivery.chunks().get(i).grade());
            within &= squares <= promised * ROUNDING; // false for NaN, too
            error = Math.max(error, Math.sqrt(squares / elements));
            bound = Math.max(bound, Math.sqrt(promised * ROUNDING / elements));
        }
        return new ErrorCheck(error, bound, within);
    }
}
