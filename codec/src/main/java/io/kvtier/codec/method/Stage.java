package io.kvtier.codec.method;

/**
 * One step of coding: a transform, a quantizer or an entropy coder. Immutable; keeps nothing
 * between chunks; gives the same output for the same input on every machine of one JDK.
 */
public interface Stage {
    /** What it is called in tables and containers, with its parameters. */
    String name();

    /** The form it takes. */
    Planes.Form accepts();

    /** The form it makes. */
    Planes.Form produces();

    /** Whether it spends bits as the chunk's rates say; others give all elements the same. */
    default boolean readsRates() {
        return false;
    }

    /**
     * Codes the planes of a chunk.
     *
     * @param in lent; never written
     * @param side takes what decoding needs besides the planes
     */
    Planes encode(Planes in, Chunk chunk, SideWriter side);

    /**
     * Undoes {@link #encode}.
     *
     * @throws io.kvtier.codec.error.CorruptChunkException if the planes or the side information
     *     cannot have come from it
     */
    Planes decode(Planes in, Chunk chunk, SideReader side);

    /**
     * By how much a decoded element may differ from the encoded one when the stage stands alone: 0
     * for lossless stages, infinite where the method promises nothing.
     *
     * @param in what was encoded
     */
    double largestError(Planes in);
}
