package io.kvtier.codec.entropy;

import io.kvtier.codec.identity.Digest;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The normative probability tables of docs/format.md section 5: symbols and refinements by
 * sigma/step in quarter octaves, and the Gaussian's centroids. Read from data, never computed.
 */
public final class GaussianTables {
    /** Tables by sigma/step = 2^((i−24)/4). */
    public static final int TABLES = 64;

    /** Index of the table whose only symbol is 0: padding lanes and raw tokens. */
    public static final int CERTAIN = TABLES;

    /** Contexts of a refinement: |q| = 0, 1, 2, 3 or more. */
    public static final int CONTEXTS = 4;

    static final int PROBABILITY_BITS = 12;
    static final int SLOTS = 1 << PROBABILITY_BITS;

    /** What encoding the symbol of {@link #CERTAIN} takes: all slots, from the first, no bits. */
    static final int CERTAIN_OP = SLOTS << PROBABILITY_BITS;

    /** Place of symbol 0 among a table's 64 of {@link #encode}; no |h| comes near to it. */
    static final int ENCODE_ZERO = 32;

    /** The symbol byte that says "see the escape list". */
    static final int ESCAPE = -128;

    private static final String RESOURCE = "gaussian-1.bin";
    private static final Digest SHA256 =
            Digest.parse("e6d8f91a138d7ffbf04ecc67211a67e8d6eb5c108bae0cfaa13a91eafddd6d0e");

    private static final GaussianTables STANDARD = load();

    /**
     * For slot s of table i at [i·4096 + s]: symbol i8 | frequency − 1 u12 | s − cumulative u12.
     */
    final int[] decode = new int[(TABLES + 1) * SLOTS];

    /** Largest |h| of each table. */
    final int[] symbolMax = new int[TABLES + 1];

    /** Raw low bits of each table. */
    final int[] bypass = new int[TABLES + 1];

    /** The first table with raw low bits. */
    final int bypassFrom;

    /** For h of table i at [64i + 32 + h]: cumulative u12 | frequency u13 «12; 0 = escaped. */
    final int[] encode = new int[(TABLES + 1) * 64];

    /** The escape of each table: as in {@link #encode}. */
    final int[] escape = new int[TABLES + 1];

    /** For context c of table i at [4i + c]: frequency of −1 u13 | frequency of 0 u13 «13. */
    final int[] refine = new int[TABLES * CONTEXTS];

    /** For digit d in context c of table i at [3(4i + c) + d + 1]: as in {@link #encode}. */
    final int[] refineEncode = new int[TABLES * CONTEXTS * 3];

    private final float[] centroids = new float[TABLES * CONTEXTS];

    private GaussianTables(ByteBuffer in) {
        in.position(4); // magic
        for (int table = 0; table < TABLES; table++) {
            int k = in.get();
            bypass[table] = in.get();
            int[] frequencies = new int[2 * k + 2];
            for (int i = 0; i < frequencies.length; i++) {
                frequencies[i] = Short.toUnsignedInt(in.getShort());
            }
            fill(table, k, frequencies);
        }
        fill(CERTAIN, 0, new int[] {SLOTS, 0});
        bypassFrom = firstBypass();
        for (int i = 0; i < refine.length; i++) {
            int minus = Short.toUnsignedInt(in.getShort());
            int zero = Short.toUnsignedInt(in.getShort());
            setRefinement(i, minus, zero);
            in.getShort(); // the rest of 4096
        }
        for (int i = 0; i < centroids.length; i++) {
            centroids[i] = in.getFloat();
        }
    }

    /** The tables of format 1. */
    public static GaussianTables standard() {
        return STANDARD;
    }

    /** How far below |q|, in steps, the Gaussian mean of q's cell lies. */
    public float centroid(int table, int q) {
        return centroids[table * CONTEXTS + Math.min(Math.abs(q), CONTEXTS - 1)];
    }

    /** The index nearest to a ratio of sigma to step. */
    public static int index(double sigmaOverStep) {
        double octaves = StrictMath.log(Math.max(sigmaOverStep, 1e-12)) / StrictMath.log(2);
        return clamp((int) Math.floor(4 * octaves + 0.5) + 24);
    }

    /** Nearest existing table. */
    public static int clamp(int index) {
        return Math.min(Math.max(index, 0), TABLES - 1);
    }

    private int firstBypass() {
        int table = 0;
        while (table < TABLES && bypass[table] == 0) {
            table++;
        }
        return table;
    }

    private void setRefinement(int at, int minus, int zero) {
        refine[at] = minus | zero << 13;
        refineEncode[3 * at] = minus << 12;
        refineEncode[3 * at + 1] = minus | zero << 12;
        refineEncode[3 * at + 2] = (minus + zero) | (SLOTS - minus - zero) << 12;
    }

    private void fill(int table, int k, int[] frequencies) {
        symbolMax[table] = k;
        int cumulative = 0;
        for (int i = 0; i < frequencies.length; i++) {
            int symbol = i <= 2 * k ? i - k : ESCAPE;
            int frequency = frequencies[i];
            for (int slot = cumulative; slot < cumulative + frequency; slot++) {
                decode[table * SLOTS + slot] =
                        symbol << 24 | (frequency - 1) << 12 | (slot - cumulative);
            }
            if (symbol == ESCAPE) {
                escape[table] = cumulative | frequency << 12;
            } else {
                encode[table * 64 + ENCODE_ZERO + symbol] = cumulative | frequency << 12;
            }
            cumulative += frequency;
        }
        if (cumulative != SLOTS) {
            throw new AssertionError("table " + table + " sums to " + cumulative);
        }
    }

    private static GaussianTables load() {
        try (InputStream in = GaussianTables.class.getResourceAsStream(RESOURCE)) {
            if (in == null) {
                throw new AssertionError(RESOURCE + " is missing from the codec's classes");
            }
            byte[] bytes = in.readAllBytes();
            Digest actual = Digest.sha256(bytes);
            if (!actual.equals(SHA256)) {
                throw new AssertionError(RESOURCE + " has SHA-256 " + actual);
            }
            return new GaussianTables(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
