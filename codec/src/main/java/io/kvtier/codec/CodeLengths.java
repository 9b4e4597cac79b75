package io.kvtier.codec;

import io.kvtier.codec.entropy.Rungs;
import io.kvtier.codec.entropy.SymbolBits;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.profile.Profile;
import java.util.Arrays;
import java.util.List;

/**
 * Where the bits of a decoded chunk lie: −log2 of each symbol's probability in the table that coded
 * it, with raw bits, escapes and raw tokens, summed by part, group and token. What a segment needs
 * besides (its header, lane states, rounding to words) is left out. For tools: immutable.
 */
public final class CodeLengths {
    private final double[][][] tokenBits;
    private final double[][] sideBits;
    private final double[][] keyBits;
    private final int[][] classes;

    private CodeLengths(int parts, int groups, int tokens) {
        tokenBits = new double[parts][groups][tokens];
        sideBits = new double[parts][groups];
        keyBits = new double[parts][groups];
        classes = new int[groups][tokens];
    }

    /** Bits of a part's symbols of one group (layerGroup·headGroups + headGroup). */
    public double bits(int part, int group) {
        return Arrays.stream(tokenBits[part][group]).sum();
    }

    /** Bits of a part's symbols of one token, over all groups. */
    public double ofToken(int part, int token) {
        return Arrays.stream(tokenBits[part]).mapToDouble(group -> group[token]).sum();
    }

    /** Bits of one token of one group, over all parts. */
    public double ofToken(int part, int group, int token) {
        return tokenBits[part][group][token];
    }

    /** Bits of a part's side information of one group, raw tokens aside. */
    public double side(int part, int group) {
        return sideBits[part][group];
    }

    /** Those of {@link #bits} that are of keys; NaN where keys and values are coded jointly. */
    public double ofKeys(int part, int group) {
        return keyBits[part][group];
    }

    /** Class of a token in a group, in half octaves of the step; 0 without classes. */
    public int tokenClass(int group, int token) {
        return classes[group][token];
    }

    /** The lengths of what a decoder has taken. */
    static CodeLengths of(
            FrameHeader header, Profile profile, Geometry geometry, List<GroupCode> codes) {
        int tokens = header.tokens();
        int first = profile.firstTokenRaw() && header.firstPosition() == 0 ? 1 : 0;
        CodeLengths out = new CodeLengths(header.parts().size(), codes.size(), tokens);
        int[] row = new int[tokens];
        for (int g = 0; g < codes.size(); g++) {
            GroupCode code = codes.get(g);
            System.arraycopy(code.classes, 0, out.classes[g], 0, tokens);
            for (int p = 0; p < header.parts().size(); p++) {
                Part part = header.parts().get(p);
                boolean held =
                        (!part.span().coversHead() || code.headRung >= part.rung())
                                && (!part.span().coversTail() || code.tailRung >= part.rung());
                if (held) {
                    Rows rows = new Rows(code, header, part, first, row);
                    out.add(rows, profile, geometry, p, g);
                }
            }
        }
        return out;
    }

    private void add(Rows rows, Profile profile, Geometry geometry, int part, int group) {
        double[] tokens = tokenBits[part][group];
        GroupCode code = rows.code;
        sideBits[part][group] = 16; // active
        boolean base = rows.part.rung() == 0;
        if (base) {
            Arrays.fill(tokens, 0, rows.first, 8.0 * code.raw.length);
            boolean own = profile.statisticsInFrame();
            sideBits[part][group] += own ? 8.0 * (4 * code.scale.length + 3 * code.mean.length) : 0;
        }
        if (base && profile.classRows()) {
            Profile.Classes range = profile.classes();
            for (int t = rows.first; t < tokens.length; t++) {
                int value = code.classes[t] - range.centre();
                tokens[t] += SymbolBits.of(range.table(), value);
            }
        }
        int keyRows = code.group.heads().length * geometry.keyDim();
        double keys = 0;
        int active = rows.active();
        for (int c = 0; c < active; c++) {
            double bits = rows.add(c, tokens);
            keys += c < keyRows ? bits : 0;
        }
        boolean separable = profile.statisticsInFrame() && code.group.layers().length == 1;
        keyBits[part][group] = separable ? keys : Double.NaN;
    }

    /** The rows of one part of one group. */
    private static final class Rows {
        private final GroupCode code;
        private final Part part;
        private final int first;
        private final int tokens;
        private final int cut;
        private final int[] row;

        Rows(GroupCode code, FrameHeader header, Part part, int first, int[] row) {
            this.code = code;
            this.part = part;
            this.first = first;
            this.row = row;
            tokens = header.tokens();
            cut = tokens - header.tail();
        }

        /** 1 + the last component that is not all 0 at the part's rung: what encoders send. */
        int active() {
            for (int c = code.rank - 1; c >= 0; c--) {
                fill(c);
                if (Arrays.stream(row, from(), end()).anyMatch(q -> q != 0)) {
                    return c + 1;
                }
            }
            return 0;
        }

        /** Adds the bits of a component to those of its tokens, and returns their sum. */
        double add(int c, double[] target) {
            fill(c);
            int rung = part.rung();
            double sum = 0;
            for (int t = Math.max(from(), first); t < end(); t++) {
                int index = code.sigmaIndex[c] - 2 * code.classes[t];
                double bits = rung == 0 ? SymbolBits.of(index, row[t]) : refinement(index, row[t]);
                target[t] += bits;
                sum += bits;
            }
            return sum;
        }

        private double refinement(int index, int fine) {
            int shifted = index + Rungs.shift(part.rung() - 1);
            return SymbolBits.ofRefinement(shifted, Rungs.coarser(fine), fine);
        }

        /** The component's indices at the part's rung, from the rungs that are known. */
        private void fill(int c) {
            int rung = part.rung();
            int at = c * tokens;
            if (part.span().coversHead()) {
                Rungs.coarsen(code.q, at, cut, code.headRung - rung, row, 0);
            }
            if (part.span().coversTail()) {
                Rungs.coarsen(code.q, at + cut, tokens - cut, code.tailRung - rung, row, cut);
            }
        }

        private int from() {
            return part.span() == Span.TAIL ? cut : 0;
        }

        private int end() {
            return part.span() == Span.HEAD ? cut : tokens;
        }
    }
}
