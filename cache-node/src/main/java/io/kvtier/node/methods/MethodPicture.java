package io.kvtier.node.methods;

import io.kvtier.node.drawing.SvgDrawing;
import io.kvtier.node.drawing.SvgDrawing.Anchor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Every judged method by bits an element and KL, both on scales of ratios; colours by kind. */
public final class MethodPicture {
    private static final int WIDTH = 900;
    private static final int HEIGHT = 640;
    private static final int LEFT = 60;
    private static final int RIGHT = 20;
    private static final int TOP = 56;
    private static final int BOTTOM = 50;
    private static final double BITS_MIN = 0.2;
    private static final double BITS_MAX = 16;
    private static final double KL_MIN = 1e-3;
    private static final double KL_MAX = 6;
    private static final int DOT = 6;
    private static final int LINE = 13;
    private static final double LETTER = 6.5;

    private MethodPicture() {}

    /** The picture; rows that were not judged are left out. */
    public static String draw(List<MethodRow> rows) {
        String title = "What a cache costs and what it loses: SmolLM2-135M, kvlab's contexts";
        SvgDrawing drawing = new SvgDrawing(WIDTH, HEIGHT, title);
        drawing.title(10, 20, title);
        drawing.words(
                10, 40, Anchor.START, "KL of the next tokens (up is worse) by bits an element");
        axes(drawing);
        List<Label> placed = new ArrayList<>();
        for (MethodRow row : rows) {
            Double kl = row.kl();
            if (kl != null && kl > 0) {
                dot(drawing, row, kl, placed);
            }
        }
        return drawing.finish();
    }

    private static void axes(SvgDrawing drawing) {
        for (double bits : new double[] {0.25, 0.5, 1, 2, 4, 8, 16}) {
            drawing.line(x(bits), TOP, x(bits), HEIGHT - BOTTOM);
            String label = String.format(Locale.ROOT, bits < 1 ? "%.2f" : "%.0f", bits);
            drawing.words(x(bits), HEIGHT - BOTTOM + 18, Anchor.MIDDLE, label);
        }
        for (double kl : new double[] {0.001, 0.01, 0.1, 1}) {
            drawing.line(LEFT, y(kl), WIDTH - RIGHT, y(kl));
            String label = String.format(Locale.ROOT, "%.3f", kl);
            drawing.words(LEFT - 6, y(kl) + 4, Anchor.END, label);
        }
    }

    /** Where words lie. */
    private record Label(double left, double y, double width) {
        boolean meets(Label other) {
            return Math.abs(y - other.y) < LINE
                    && left < other.left + other.width
                    && other.left < left + width;
        }
    }

    private static void dot(SvgDrawing drawing, MethodRow row, double kl, List<Label> placed) {
        double x = x(row.bitsPerElement());
        double y = y(kl);
        String hint =
                String.format(
                        Locale.ROOT,
                        "%s: %.3f bits, KL %.4f",
                        row.method(),
                        row.bitsPerElement(),
                        kl);
        drawing.box(x - DOT / 2.0, y - DOT / 2.0, DOT, DOT, colour(row.kind()), hint);
        name(drawing, row.method(), x, y, placed);
    }

    /** The name beside its dot, where there is room; the hint has it in any case. */
    private static void name(
            SvgDrawing drawing, String name, double x, double y, List<Label> placed) {
        double width = LETTER * name.length();
        for (double down : new double[] {0, LINE, -LINE}) {
            for (boolean left : new boolean[] {false, true}) {
                double from = left ? x - DOT - width : x + DOT;
                Label label = new Label(from, y + down, width);
                boolean inside = from > LEFT && from + width < WIDTH;
                if (inside && placed.stream().noneMatch(label::meets)) {
                    placed.add(label);
                    Anchor anchor = left ? Anchor.END : Anchor.START;
                    drawing.words(left ? x - DOT : x + DOT, y + down + 4, anchor, name);
                    return;
                }
            }
        }
    }

    private static String colour(String kind) {
        return switch (kind) {
            case MethodRow.TIER -> "#4e79a7";
            case MethodRow.CODEC -> "#f28e2b";
            case MethodRow.POLICY -> "#76b7b2";
            default -> "#e15759";
        };
    }

    private static double x(double bits) {
        double held = Math.clamp(bits, BITS_MIN, BITS_MAX);
        double share = Math.log(held / BITS_MIN) / Math.log(BITS_MAX / BITS_MIN);
        return LEFT + share * (WIDTH - LEFT - RIGHT);
    }

    private static double y(double kl) {
        double held = Math.clamp(kl, KL_MIN, KL_MAX);
        double share = Math.log(held / KL_MIN) / Math.log(KL_MAX / KL_MIN);
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
    }
}
