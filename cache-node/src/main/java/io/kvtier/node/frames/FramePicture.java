package io.kvtier.node.frames;

import io.kvtier.node.drawing.SvgDrawing;
import io.kvtier.node.drawing.SvgDrawing.Anchor;
import io.kvtier.node.frames.FrameReport.Bar;
import java.util.List;
import java.util.Locale;

/** Where the bits of a frame go, as an SVG picture: parts, layer groups, tokens. */
public final class FramePicture {
    private static final int WIDTH = 760;
    private static final int LEFT = 100;
    private static final int RIGHT = 20;
    private static final int ROW = 18;
    private static final int TOKENS_HEIGHT = 160;
    private static final int TITLE = 30;
    private static final int AXIS = 46;
    private static final int TICKS_MAX = 6;

    /** Told apart by people who do not see colours alike, and on white and on black. */
    private static final List<String> COLOURS =
            List.of("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#edc948", "#76b7b2");

    private final FrameReport report;
    private final SvgDrawing drawing;
    private double y;

    private FramePicture(FrameReport report, SvgDrawing drawing) {
        this.report = report;
        this.drawing = drawing;
    }

    /** The picture of a report. */
    public static String draw(FrameReport report) {
        int legend = TITLE + ROW * (report.summary().parts().size() + 2);
        int layers = TITLE + ROW * report.layers().size() + AXIS;
        int height = legend + layers + TITLE + TOKENS_HEIGHT + AXIS;
        String title =
                String.format(
                        Locale.ROOT,
                        "%s, %d bytes, %.3f bits an element",
                        report.summary().got().header().key().brief(),
                        report.summary().got().bytes(),
                        8.0 * report.summary().got().bytes() / report.summary().elements());
        FramePicture picture = new FramePicture(report, new SvgDrawing(WIDTH, height, title));
        picture.parts(title);
        picture.layers();
        picture.tokens();
        return picture.drawing.finish();
    }

    /** One bar of all bytes, and the legend of all charts. */
    private void parts(String title) {
        drawing.title(LEFT, y + 20, "Frame " + title);
        y += TITLE;
        double scale = (double) (WIDTH - LEFT - RIGHT) / report.summary().got().bytes();
        double x = LEFT;
        for (int p = 0; p < report.summary().parts().size(); p++) {
            long bytes = report.summary().partBytes().get(p);
            drawing.box(x, y, bytes * scale, ROW - 4, colour(p), legend(p));
            x += bytes * scale;
        }
        y += ROW + 4;
        for (int p = 0; p < report.summary().parts().size(); p++) {
            drawing.box(LEFT, y, 10, 10, colour(p), legend(p));
            drawing.words(LEFT + 16, y + 10, Anchor.START, legend(p));
            y += ROW;
        }
        y += ROW - 4;
    }

    private void layers() {
        List<Bar> bars = report.layers();
        drawing.title(LEFT, y + 18, "By layers: bits an element");
        y += TITLE;
        double bottom = y + ROW * bars.size();
        double max = max(bars);
        double scale = (WIDTH - LEFT - RIGHT) / max;
        for (double tick = 0; tick <= max; tick += step(max)) {
            double x = LEFT + tick * scale;
            drawing.line(x, y, x, bottom);
            drawing.words(x, bottom + 14, Anchor.MIDDLE, number(tick));
        }
        for (Bar bar : bars) {
            drawing.words(LEFT - 6, y + 12, Anchor.END, bar.name());
            double x = LEFT;
            for (int p = 0; p < bar.bits().size(); p++) {
                double bits = bar.bits().get(p) / bar.elements();
                drawing.box(x, y + 2, bits * scale, ROW - 4, colour(p), hint(bar, p, bits));
                x += bits * scale;
            }
            y += ROW;
        }
        drawing.words(WIDTH - RIGHT, bottom + 28, Anchor.END, "bits an element of K and V");
        y = bottom + AXIS;
    }

    private void tokens() {
        List<Bar> bars = report.tokens();
        drawing.title(LEFT, y + 18, "By tokens: bits an element (symbols alone)");
        y += TITLE;
        double bottom = y + TOKENS_HEIGHT;
        // One raw token would flatten all others, so the axis ends at the largest but it.
        double max = max(firstIsRaw() && bars.size() > 1 ? bars.subList(1, bars.size()) : bars);
        double scale = TOKENS_HEIGHT / max;
        for (double tick = 0; tick <= max; tick += step(max)) {
            double at = bottom - tick * scale;
            drawing.line(LEFT, at, WIDTH - RIGHT, at);
            drawing.words(LEFT - 6, at + 4, Anchor.END, number(tick));
        }
        double width = (double) (WIDTH - LEFT - RIGHT) / bars.size();
        for (int t = 0; t < bars.size(); t++) {
            Bar bar = bars.get(t);
            double top = bottom;
            for (int p = 0; p < bar.bits().size(); p++) {
                double bits = bar.bits().get(p) / bar.elements();
                double height = Math.min(bits * scale, top - y);
                top -= height;
                drawing.box(LEFT + t * width, top, width, height, colour(p), hint(bar, p, bits));
            }
        }
        int every = Math.max(1, bars.size() / 8);
        for (int t = 0; t < bars.size(); t += every) {
            double x = LEFT + (t + 0.5) * width;
            drawing.words(x, bottom + 14, Anchor.MIDDLE, bars.get(t).name());
        }
        drawing.words(WIDTH - RIGHT, bottom + 28, Anchor.END, "position in the sequence");
        drawing.words(LEFT, bottom + 28, Anchor.START, cutNote(bars, max));
    }

    private boolean firstIsRaw() {
        return report.profile().firstTokenRaw()
                && report.summary().got().header().firstPosition() == 0;
    }

    private static String cutNote(List<Bar> bars, double max) {
        double first = bars.getFirst().perElement();
        return first > max ? "first token cut: " + number(first) + " bits, raw" : "";
    }

    private String legend(int part) {
        long bytes = report.summary().partBytes().get(part);
        return String.format(
                Locale.ROOT,
                "%s: %d bytes, %.1f %%",
                report.summary().parts().get(part),
                bytes,
                100.0 * bytes / report.summary().got().bytes());
    }

    private String hint(Bar bar, int part, double bits) {
        String name = report.summary().parts().get(part);
        return String.format(Locale.ROOT, "%s, %s: %.3f bits an element", bar.name(), name, bits);
    }

    private static double max(List<Bar> bars) {
        return Math.max(1e-9, bars.stream().mapToDouble(Bar::perElement).max().orElse(1));
    }

    /** 1, 2 or 5 times a power of ten: at most {@link #TICKS_MAX} fit. */
    private static double step(double max) {
        double power = Math.pow(10, Math.floor(Math.log10(max / TICKS_MAX)));
        for (int factor : new int[] {1, 2, 5}) {
            if (max / (factor * power) <= TICKS_MAX) {
                return factor * power;
            }
        }
        return 10 * power;
    }

    private static String number(double value) {
        String text = String.format(Locale.ROOT, "%.2f", value);
        return text.replaceFirst("\\.?0+$", "");
    }

    private static String colour(int part) {
        return COLOURS.get(part % COLOURS.size());
    }
}
