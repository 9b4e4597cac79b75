package io.kvtier.codec.entropy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Encodes rows into one segment: {@link #begin}, side information, rows in order, {@link #finish}.
 * Reusable, not thread-safe. The bytes depend on the rows alone, not on machine or width.
 */
public final class LaneEncoder {
    private static final int RAW_MAX = 1 << 24;

    private final GaussianTables tables = GaussianTables.standard();

    private final LaneCoding coding;
    private final int[] states = new int[32];

    /** For each element and the padding of each row to whole steps: as in the tables. */
    private int[] ops = new int[1 << 16];

    private int opCount;

    /** Padding left out. */
    private int elements;

    private ByteBuffer side = littleEndian(1 << 12);
    private ByteBuffer escapes = littleEndian(1 << 10);
    private byte[] bypass = new byte[1 << 10];
    private long bypassBits;
    private int[] words = new int[1 << 14];
    private int lanes;
    private int groups;

    /** Encodes by the Vector API where the machine has vectors of eight ints, else one by one. */
    public LaneEncoder() {
        this(VectorSteps.isFast());
    }

    /** Chooses the path; both give the same bytes. */
    public LaneEncoder(boolean vectors) {
        coding = vectors ? new VectorCoding() : new ScalarCoding();
    }

    /** Starts a segment of that many layer groups, in 8, 16 or 32 lanes. */
    public void begin(int lanes, int groups) {
        check(lanes == 8 || lanes == 16 || lanes == 32, "lanes", lanes, "8, 16 or 32");
        this.lanes = lanes;
        this.groups = groups;
        elements = 0;
        opCount = 0;
        side.clear();
        escapes.clear();
        Arrays.fill(bypass, (byte) 0);
        bypassBits = 0;
    }

    /**
     * Room for {@code bytes} more of side information, little-endian; valid until the next call.
     */
    public ByteBuffer side(int bytes) {
        side = withRoom(side, bytes);
        return side;
    }

    /** Appends one row of a base, {@code q[from + t]} for each token of the span. */
    public void row(int rowIndex, TokenTables tokens, int[] q, int from) {
        reserve(tokens.tokens);
        boolean plain =
                GaussianTables.clamp(rowIndex + tokens.shiftMax) < tables.bypassFrom
                        && coding.row(rowIndex, tokens, q, from, ops, opCount);
        for (int t = 0; !plain && t < tokens.tokens; t++) {
            ops[opCount + t] = op(tokens.table(t, rowIndex), q[from + t], elements + t);
        }
        endRow(tokens.tokens);
    }

    /** Any value's op; writes what its table leaves out. */
    private int op(int table, int value, int element) {
        int bits = tables.bypass[table];
        int max = tables.symbolMax[table];
        int high = value >> bits;
        if (bits > 0) {
            writeBits(value & ((1 << bits) - 1), bits);
        }
        if (high >= -max && high <= max) {
            return tables.encode[table * 64 + GaussianTables.ENCODE_ZERO + high];
        }
        check(table != GaussianTables.CERTAIN, "value of a raw token", value, 0);
        check(Math.abs((long) value) < RAW_MAX, "quantized value", value, "|q| < 2^24");
        escapes = withRoom(escapes, 8).putInt(element).putInt(value);
        return tables.escape[table];
    }

    /**
     * Appends one row of a refinement.
     *
     * @param coarse indices at the rung below
     * @param fine indices at this rung, each within one of three times the coarse one
     */
    public void refine(int rowIndex, TokenTables tokens, int[] coarse, int[] fine, int from) {
        reserve(tokens.tokens);
        boolean clean = coding.refine(rowIndex, tokens, coarse, fine, from, ops, opCount);
        for (int t = 0; !clean && t < tokens.tokens; t++) {
            int digit = fine[from + t] - 3 * coarse[from + t];
            int max = tokens.certain[t] == 0 ? 1 : 0; // none of a raw token
            check(Math.abs(digit) <= max, "refinement digit", digit, "within " + max);
        }
        endRow(tokens.tokens);
    }

    private void endRow(int tokens) {
        int padded = (tokens + lanes - 1) & -lanes;
        Arrays.fill(ops, opCount + tokens, opCount + padded, GaussianTables.CERTAIN_OP);
        opCount += padded;
        elements += tokens;
    }

    /** The segment's bytes, in a new buffer. */
    public ByteBuffer finish() {
        if (words.length < opCount + TokenTables.PADDING) {
            words = new int[opCount + opCount / 4 + TokenTables.PADDING];
        }
        Arrays.fill(states, LaneDecoder.LOW);
        int wordCount = coding.encode(ops, opCount, lanes, states, words);
        int bypassBytes = (int) ((bypassBits + 7) / 8);
        int size =
                LaneDecoder.HEADER_BYTES
                        + side.position()
                        + escapes.position()
                        + bypassBytes
                        + 4 * lanes
                        + 2 * wordCount;
        ByteBuffer out = littleEndian(size);
        out.put((byte) lanes).put((byte) 0).putShort((short) groups);
        out.putInt(side.position()).putInt(escapes.position() / 8);
        out.putInt(bypassBytes).putInt(wordCount);
        out.put(side.duplicate().flip()).put(escapes.duplicate().flip());
        out.put(bypass, 0, bypassBytes);
        for (int lane = 0; lane < lanes; lane++) {
            out.putInt(states[lane]);
        }
        for (int i = wordCount - 1; i >= 0; i--) {
            out.putShort((short) words[i]);
        }
        return out.flip();
    }

    private void reserve(int tokens) {
        int needed = opCount + tokens + TokenTables.PADDING;
        if (needed > ops.length) {
            ops = Arrays.copyOf(ops, Math.max(2 * ops.length, needed));
        }
    }

    /** Appends up to 8 bits. */
    private void writeBits(int value, int bits) {
        int at = (int) (bypassBits >> 3);
        if (at + 2 > bypass.length) {
            bypass = Arrays.copyOf(bypass, 2 * bypass.length);
        }
        int shifted = value << (bypassBits & 7);
        bypass[at] |= (byte) shifted;
        bypass[at + 1] |= (byte) (shifted >> 8);
        bypassBits += bits;
    }

    private static ByteBuffer withRoom(ByteBuffer buffer, int bytes) {
        if (buffer.remaining() >= bytes) {
            return buffer;
        }
        int size = Math.max(2 * buffer.capacity(), buffer.position() + bytes);
        return littleEndian(size).put(buffer.duplicate().flip());
    }

    private static ByteBuffer littleEndian(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
