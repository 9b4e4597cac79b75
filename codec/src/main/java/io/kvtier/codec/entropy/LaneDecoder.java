package io.kvtier.codec.entropy;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.error.CorruptChunkException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Decodes the rows of one segment after another, in order: {@link #begin}, rows, {@link #finish}.
 * Reusable, not thread-safe; holds heap scratch only. Any bytes give rows or a {@link
 * CorruptChunkException}, in time proportional to the rows asked for.
 */
public final class LaneDecoder {
    static final int HEADER_BYTES = 20;
    static final int LOW = 1 << 16;

    private static final ValueLayout.OfLong U64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt U32 =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    final GaussianTables tables = GaussianTables.standard();
    final int[] states = new int[32];
    final int[] scratch = new int[32];
    int[] words = new int[0];
    int wordCount;
    int wordAt;
    int escapesSeen;

    private final LaneSteps scalar = new ScalarSteps();
    private final LaneSteps wide;
    private LaneSteps steps = scalar;
    private MemorySegment segment = MemorySegment.NULL;
    private int lanes;
    private int groups;
    private int sideBytes;
    private int escapes;
    private int escapeAt;
    private long escapesOffset;
    private long bypassOffset;
    private long bypassBits;
    private long bypassAt;
    private long elements;

    /** Decodes by the Vector API where the machine has vectors of eight ints, else one by one. */
    public LaneDecoder() {
        this(VectorSteps.isFast());
    }

    /** Chooses the path; both give the same rows. */
    public LaneDecoder(boolean vectors) {
        wide = vectors ? new VectorSteps() : scalar;
    }

    /** Starts a segment, whose bytes are lent until {@link #finish}; its checksum was verified. */
    public void begin(MemorySegment bytes) {
        segment = bytes;
        long size = bytes.byteSize();
        check(size >= HEADER_BYTES, "segment bytes", "at least " + HEADER_BYTES, size);
        lanes = Byte.toUnsignedInt(bytes.get(ValueLayout.JAVA_BYTE, 0));
        check(lanes == 8 || lanes == 16 || lanes == 32, "lanes", "8, 16 or 32", lanes);
        steps = lanes >= VectorSteps.WIDTH ? wide : scalar;
        byte reserved = bytes.get(ValueLayout.JAVA_BYTE, 1);
        check(reserved == 0, "reserved segment field", 0, reserved);
        groups = Short.toUnsignedInt(bytes.get(U16, 2));
        sideBytes = count(4, size);
        escapes = count(8, size / 8);
        int bypassBytes = count(12, size);
        wordCount = count(16, size / 2);
        escapesOffset = HEADER_BYTES + (long) sideBytes;
        bypassOffset = escapesOffset + 8L * escapes;
        bypassBits = 8L * bypassBytes;
        long statesOffset = bypassOffset + bypassBytes;
        long wordsOffset = statesOffset + 4L * lanes;
        long expected = wordsOffset + 2L * wordCount;
        check(expected == size, "segment bytes", expected, size);
        for (int lane = 0; lane < lanes; lane++) {
            states[lane] = bytes.get(U32, statesOffset + 4L * lane);
            check(states[lane] >>> 16 != 0, "state of lane " + lane, ">= 2^16", states[lane]);
        }
        readWords(wordsOffset);
        wordAt = 0;
        escapeAt = 0;
        escapesSeen = 0;
        bypassAt = 0;
        elements = 0;
    }

    /** Layer groups that the segment says it holds. */
    public int groups() {
        return groups;
    }

    /** Side information of all groups, a view of the segment. */
    public MemorySegment side() {
        return segment.asSlice(HEADER_BYTES, sideBytes);
    }

    /**
     * Decodes one row of a base: {@code out[from + t]} for each token of the span. {@code out}
     * needs room for {@link TokenTables#PADDING} more.
     *
     * @param rowIndex table index of the row at class 0
     */
    public void row(int rowIndex, TokenTables tokens, int[] out, int from) {
        steps.row(this, lanes, rowIndex, tokens, out, from);
        if (GaussianTables.clamp(rowIndex + tokens.shiftMax) >= tables.bypassFrom) {
            readBypass(rowIndex, tokens, out, from);
        }
        patchEscapes(tokens.tokens, out, from);
        elements += tokens.tokens;
    }

    /**
     * Decodes one row of a refinement in place: {@code q[from + t]} becomes 3q + d.
     *
     * @param rowIndex table index of the row at class 0, shifted to the coarser rung
     */
    public void refine(int rowIndex, TokenTables tokens, int[] q, int from) {
        steps.refine(this, lanes, rowIndex, tokens, q, from);
        elements += tokens.tokens;
    }

    /** Checks that everything was used up: states back where the encoder began, no word left. */
    public void finish() {
        check(wordAt == wordCount, "words used", wordCount, wordAt);
        for (int lane = 0; lane < lanes; lane++) {
            check(states[lane] == LOW, "final state of lane " + lane, LOW, states[lane]);
        }
        check(escapesSeen == escapes && escapeAt == escapes, "escapes", escapes, escapesSeen);
        check(bypassBits - bypassAt < 8, "bypass bits", bypassAt, bypassBits);
        segment = MemorySegment.NULL;
    }

    /** Refuses to read behind the words: called by the steps before they take some. */
    void needWords(int count) {
        if (count > wordCount - wordAt) {
            throw new CorruptChunkException("words used", wordCount, wordAt + count);
        }
    }

    private int count(int at, long max) {
        int value = segment.get(U32, at);
        check(value >= 0 && value <= max, "segment field at " + at, "0.." + max, value);
        return value;
    }

    private void readWords(long offset) {
        if (words.length < wordCount + TokenTables.PADDING) {
            words = new int[wordCount + wordCount / 4 + TokenTables.PADDING];
        }
        for (int i = 0; i < wordCount; i++) {
            words[i] = Short.toUnsignedInt(segment.get(U16, offset + 2L * i));
        }
        for (int i = wordCount; i < wordCount + TokenTables.PADDING; i++) {
            words[i] = 0;
        }
    }

    private void readBypass(int rowIndex, TokenTables tokens, int[] out, int from) {
        for (int t = 0; t < tokens.tokens; t++) {
            int bits = tables.bypass[tokens.table(t, rowIndex)];
            if (bits > 0) {
                int low = readBits(bits);
                int high = out[from + t];
                out[from + t] = high == GaussianTables.ESCAPE ? high : high << bits | low;
            }
        }
    }

    /** Up to 8 bits. The states that follow the bypass leave room to read a whole word. */
    private int readBits(int bits) {
        if (bits > bypassBits - bypassAt) {
            throw new CorruptChunkException("bypass bits", bypassAt + bits, bypassBits);
        }
        long word = segment.get(U64, bypassOffset + (bypassAt >> 3)) >>> (bypassAt & 7);
        bypassAt += bits;
        return (int) word & ((1 << bits) - 1);
    }

    private void patchEscapes(int n, int[] out, int from) {
        while (escapeAt < escapes) {
            long at = escapesOffset + 8L * escapeAt;
            long element = Integer.toUnsignedLong(segment.get(U32, at));
            check(element >= elements, "escaped element", ">= " + elements, element);
            if (element >= elements + n) {
                return;
            }
            int index = from + (int) (element - elements);
            check(out[index] == GaussianTables.ESCAPE, "escaped symbol", "escape", out[index]);
            int value = segment.get(U32, at + 4);
            check(Math.abs((long) value) < 1 << 24, "escaped value", "|q| < 2^24", value);
            out[index] = value;
            escapeAt++;
        }
    }
}
