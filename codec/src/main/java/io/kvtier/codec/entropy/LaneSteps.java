package io.kvtier.codec.entropy;

/** The lockstep loop of a decoder, in one of two ways that give the same rows. */
sealed interface LaneSteps permits ScalarSteps, VectorSteps {
    /** Decodes the symbols of a row, escapes marked by {@link GaussianTables#ESCAPE}. */
    void row(LaneDecoder decoder, int lanes, int rowIndex, TokenTables tokens, int[] out, int from);

    /** Refines a row in place. */
    void refine(
            LaneDecoder decoder, int lanes, int rowIndex, TokenTables tokens, int[] q, int from);
}
