package io.kvtier.codec.entropy;

import static io.kvtier.codec.error.InvalidRequestException.check;

/**
 * How the tokens of a span move a row's table index: {@code −2·class} each, or a certain 0 for a
 * token that is sent raw. Reusable: {@link #reset} before each group.
 */
public final class TokenTables {
    /** Padding to whole steps of the widest lanes. */
    static final int PADDING = 32;

    int tokens;

    /** Whether all tokens are of class 0. */
    boolean uniform;

    final int[] shift;

    /** No token's shift is larger. */
    int shiftMax;

    /** The last token that is certain, −1 if none is. */
    int rawMax;

    /** 0 where a token is coded, −1 where it is certain. */
    final int[] certain;

    /** Room for spans of up to {@code tokensMax} tokens. */
    public TokenTables(int tokensMax) {
        shift = new int[tokensMax + PADDING];
        certain = new int[tokensMax + PADDING];
    }

    /** Starts a span of {@code tokens}, all of class 0. */
    public void reset(int tokens) {
        check(
                tokens >= 1 && tokens <= shift.length - PADDING,
                "tokens of a span",
                tokens,
                "1.." + (shift.length - PADDING));
        this.tokens = tokens;
        uniform = true;
        shiftMax = 0;
        rawMax = -1;
        for (int i = 0; i < tokens + PADDING; i++) {
            shift[i] = 0;
            certain[i] = i < tokens ? 0 : -1;
        }
    }

    /** Gives a token a class in half octaves of its step. */
    public void setClass(int token, int halfOctaves) {
        shift[token] = -2 * halfOctaves;
        shiftMax = Math.max(shiftMax, shift[token]);
        uniform &= halfOctaves == 0;
    }

    /** Marks a token as sent raw: its elements are certainly 0. */
    public void setRaw(int token) {
        certain[token] = -1;
        rawMax = Math.max(rawMax, token);
    }

    /** The table of a token's element in a row. */
    public int table(int token, int rowIndex) {
        return certain[token] != 0
                ? GaussianTables.CERTAIN
                : GaussianTables.clamp(rowIndex + shift[token]);
    }
}
