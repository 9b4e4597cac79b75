package io.kvtier.codec;

import java.util.List;

/**
 * What a {@link ChunkDecoder} has written.
 *
 * @param headRung lowest rung of the tokens before the tail, over the groups that arrived
 * @param tailRung the same of the tail
 * @param groups that arrived; others left their layers and heads untouched
 * @param keyErrorMax for each stored layer a proven bound of |decoded − original| over its keys, in
 *     the dtype as written, NaN where it did not arrive; empty when the profile has a transform,
 *     whose own loss no frame states
 * @param valueErrorMax the same of its values
 */
public record DecodedChunk(
        int headRung,
        int tailRung,
        int groups,
        List<Float> keyErrorMax,
        List<Float> valueErrorMax) {}
