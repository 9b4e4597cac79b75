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
    private static final double[] INVERSE = inverses();

    private final GaussianTables tables = GaussianTables.standard();

    /** For each element, lane padding left out: cumulative u12 | frequency u13 «12. */
    private int[] ops = new int[1 << 16];

    /** Lane of each element. */
    private byte[] laneOf = new byte[1 << 16];

    private int elements;
    private ByteBuffer side = littleEndian(1 << 12);
    private ByteBuffer escapes = littleEndian(1 << 10);
    private byte[] bypass = new byte[1 << 10];
    private long bypassBits;
    private short[] words = new short[1 << 14];
    private int wordCount;
    private int lanes;
    private int groups;

    /** Starts a segment of that many layer groups, in 8, 16 or 32 lanes. */
    public void begin(int lanes, int groups) {
        check(lanes == 8 || lanes == 16 || lanes == 32, "lanes", lanes, "8, 16 or 32");
        this.lanes = lanes;
        this.groups = groups;
        elements = 0;
        side.clear();
        escapes.clear();
        Arrays.fill(bypass, (byte) 0);
        bypassBits = 0;
        wordCount = 0;
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
        for (int t = 0; t < tokens.tokens; t++) {
            int table = tokens.table(t, rowIndex);
            int value = q[from + t];
            int bits = tables.bypass[table];
            int max = tables.symbolMax[table];
            int high = value >> bits;
            boolean escaped = high < -max || high > max;
            if (bits > 0) {
                writeBits(value & ((1 << bits) - 1), bits);
            }
            if (escaped) {
                check(table != GaussianTables.CERTAIN, "value of a raw token", value, 0);
                escape(elements, value);
            }
            add(t, tables.encode[table * 64 + (escaped ? 2 * max + 1 : high + max)]);
        }
    }

    /**
     * Appends one row of a refinement.
     *
     * @param coarse indices at the rung below
     * @param fine indices at this rung, each within one of three times the coarse one
     */
    public void refine(int rowIndex, TokenTables tokens, int[] coarse, int[] fine, int from) {
        reserve(tokens.tokens);
        for (int t = 0; t < tokens.tokens; t++) {
            int q = coarse[from + t];
            int digit = fine[from + t] - 3 * q;
            check(digit >= -1 && digit <= 1, "refinement digit", digit, "-1, 0 or 1");
            int op = GaussianTables.SLOTS << 12;
            if (tokens.certain[t] == 0) {
                int context = tokens.table(t, rowIndex) * 4 + Math.min(Math.abs(q), 3);
                op = tables.refineEncode[3 * context + 1 + (q < 0 ? -digit : digit)];
            } else {
                check(digit == 0, "refinement digit of a raw token", digit, 0);
            }
            add(t, op);
        }
    }

    /** The segment's bytes, in a new buffer. */
    public ByteBuffer finish() {
        long[] states = encodeBackwards();
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
            out.putInt((int) states[lane]);
        }
        for (int i = wordCount - 1; i >= 0; i--) {
            out.putShort(words[i]);
        }
        return out.flip();
    }

    /* The decoder's last symbol is encoded first, so that its words come out in reverse. Whether a
     * lane gives a word is as good as random, so there is no branch on it: the word is always
     * written and counted when due. The quotient x/f comes from a product with 1/f: (x + 1/2)/f is
     * at least 1/(2f) > 1e-4 from any integer, and the product errs by less than 1e-5.
     */
    private long[] encodeBackwards() {
        if (words.length <= elements) {
            words = new short[elements + elements / 4 + 1];
        }
        long[] states = new long[32];
        Arrays.fill(states, LaneDecoder.LOW);
        int count = 0;
        for (int i = elements - 1; i >= 0; i--) {
            int frequency = ops[i] >>> 12;
            int lane = laneOf[i];
            long x = states[lane];
            words[count] = (short) x;
            int due = x >= (long) frequency << 20 ? 1 : 0;
            count += due;
            x >>>= due << 4;
            long whole = (long) ((x + 0.5) * INVERSE[frequency]);
            states[lane] = (whole << 12) + x - whole * frequency + (ops[i] & 4095);
        }
        wordCount = count;
        return states;
    }

    private static double[] inverses() {
        double[] out = new double[GaussianTables.SLOTS + 1];
        for (int frequency = 1; frequency < out.length; frequency++) {
            out[frequency] = 1.0 / frequency;
        }
        return out;
    }

    private void add(int token, int op) {
        ops[elements] = op;
        laneOf[elements++] = (byte) (token & (lanes - 1));
    }

    private void reserve(int more) {
        if (elements + more > ops.length) {
            int size = Math.max(2 * ops.length, elements + more);
            ops = Arrays.copyOf(ops, size);
            laneOf = Arrays.copyOf(laneOf, size);
        }
    }

    private void escape(int element, int value) {
        check(Math.abs((long) value) < RAW_MAX, "quantized value", value, "|q| < 2^24");
        escapes = withRoom(escapes, 8).putInt(element).putInt(value);
    }

    private void writeBits(int value, int bits) {
        if (bypassBits + bits > 8L * bypass.length) {
            bypass = Arrays.copyOf(bypass, 2 * bypass.length);
        }
        for (int i = 0; i < bits; i++, bypassBits++) {
            bypass[(int) (bypassBits >> 3)] |= (byte) ((value >> i & 1) << (bypassBits & 7));
        }
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
