package io.kvtier.codec.entropy;

/** The loops of an encoder, in one of two ways that give the same bytes. */
sealed interface LaneCoding permits ScalarCoding, VectorCoding {
    /**
     * Writes the op of each token of a base row: cumulative u12 | frequency u13 «12.
     *
     * @return whether every value has one; others are escapes, or wrong
     */
    boolean row(int rowIndex, TokenTables tokens, int[] q, int from, int[] ops, int at);

    /**
     * Writes the op of each token of a refinement.
     *
     * @return whether every digit has one
     */
    boolean refine(
            int rowIndex,
            TokenTables tokens,
            int[] coarse,
            int[] fine,
            int from,
            int[] ops,
            int at);

    /**
     * Codes ops from the last to the first, op i in lane {@code i mod lanes}.
     *
     * @param states of the lanes: before and after
     * @param words their low 16 bits, the decoder's last first; room for 16 more than ops
     * @return count of words
     */
    int encode(int[] ops, int count, int lanes, int[] states, int[] words);
}
