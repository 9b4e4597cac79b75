package io.kvtier.node.breakeven;

import io.kvtier.node.drawing.SvgDrawing;
import io.kvtier.node.drawing.SvgDrawing.Anchor;
import java.util.List;
import java.util.Locale;

/** For each model a bar a format: the links over which fetching beats computing. */
public final class BreakEvenPicture {
    private static final int WIDTH = 760;
    private static final int LEFT = 230;
    private static final int RIGHT = 20;
    private static final int TOP = 46;
    private static final int BAR = 15;
    private static final int GAP = 14;
    private static final double MBIT_MIN = 1;
    private static final double MBIT_MAX = 1e6;
    private static final List<String> COLOURS = List.of("#bab0ac", "#f28e2b", "#edc948", "#4e79a7");

    private BreakEvenPicture() {}

    /** The picture of all pairs, the formats of a model one after the other. */
    public static String draw(List<BreakEven> pairs) {
        List<String> formats = pairs.stream().map(pair -> pair.format().name()).distinct().toList();
        int models = pairs.size() / formats.size();
        int height = TOP + models * (formats.size() * BAR + GAP) + 40;
        String title = "Links over which fetching a KV cache beats computing it";
        SvgDrawing drawing = new SvgDrawing(WIDTH, height, title);
        drawing.title(10, 20, title);
        axis(drawing, height - 36);
        double y = TOP;
        for (int i = 0; i < pairs.size(); i++) {
            BreakEven pair = pairs.get(i);
            int format = i % formats.size();
            if (format == 0) {
                String name = pair.model().name() + ", " + pair.model().where();
                drawing.words(10, y + BAR, Anchor.START, name);
            }
            drawing.words(LEFT - 6, y + BAR - 3, Anchor.END, pair.format().name());
            bar(drawing, pair, y, COLOURS.get(format % COLOURS.size()));
            y += BAR + (format == formats.size() - 1 ? GAP : 0);
        }
        return drawing.finish();
    }

    private static void axis(SvgDrawing drawing, double bottom) {
        for (double mbit = MBIT_MIN; mbit <= MBIT_MAX; mbit *= 10) {
            drawing.line(x(mbit), TOP - 8, x(mbit), bottom);
            drawing.words(x(mbit), bottom + 16, Anchor.MIDDLE, rate(mbit));
        }
    }

    private static void bar(SvgDrawing drawing, BreakEven pair, double y, String colour) {
        if (pair.mbit() > MBIT_MAX) {
            drawing.words(x(MBIT_MIN), y + BAR - 3, Anchor.START, "never: decoding takes longer");
            return;
        }
        double from = x(Math.max(MBIT_MIN, pair.mbit()));
        drawing.box(from, y, x(MBIT_MAX) - from, BAR - 3, colour, rate(pair.mbit()));
        drawing.words(from - 4, y + BAR - 3, Anchor.END, rate(pair.mbit()));
    }

    private static double x(double mbit) {
        double share = Math.log(mbit / MBIT_MIN) / Math.log(MBIT_MAX / MBIT_MIN);
        return LEFT + 60 + share * (WIDTH - RIGHT - LEFT - 60);
    }

    private static String rate(double mbit) {
        return mbit < 999
                ? String.format(Locale.ROOT, mbit < 10 ? "%.1f Mbit/s" : "%.0f Mbit/s", mbit)
                : String.format(
                        Locale.ROOT, mbit < 9990 ? "%.1f Gbit/s" : "%.0f Gbit/s", mbit / 1e3);
    }
}
