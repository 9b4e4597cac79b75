package io.kvtier.codec.entropy;

/**
 * What a symbol costs by the table that codes it: −log2 of its probability, for tools. No byte
 * depends on it.
 */
public final class SymbolBits {
    private static final int ESCAPE_ENTRY_BITS = 64;

    private SymbolBits() {}

    /** Bits of q in a base by the table nearest to {@code index}, raw bits and escapes included. */
    public static double of(int index, int q) {
        GaussianTables tables = GaussianTables.standard();
        int table = GaussianTables.clamp(index);
        int k = tables.symbolMax[table];
        int high = q >> tables.bypass[table];
        boolean escaped = Math.abs(high) > k;
        int op =
                escaped
                        ? tables.escape[table]
                        : tables.encode[table * 64 + GaussianTables.ENCODE_ZERO + high];
        int more = tables.bypass[table] + (escaped ? ESCAPE_ENTRY_BITS : 0);
        return bits(op >>> 12) + more;
    }

    /**
     * Bits of a refinement by the table nearest to {@code index}.
     *
     * @param coarse index one rung lower
     * @param fine index at the rung
     */
    public static double ofRefinement(int index, int coarse, int fine) {
        int digit = fine - 3 * coarse;
        int context =
                GaussianTables.clamp(index) * GaussianTables.CONTEXTS
                        + Math.min(Math.abs(coarse), GaussianTables.CONTEXTS - 1);
        int at = 3 * context + (coarse < 0 ? -digit : digit) + 1;
        return bits(GaussianTables.standard().refineEncode[at] >>> 12);
    }

    private static double bits(int frequency) {
        return GaussianTables.PROBABILITY_BITS - Math.log(frequency) / Math.log(2);
    }
}
