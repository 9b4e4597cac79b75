package io.kvtier.node.sim;

import io.kvtier.node.drawing.SvgDrawing;
import io.kvtier.node.drawing.SvgDrawing.Anchor;
import io.kvtier.node.drawing.SvgDrawing.Point;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Streams of each policy as an SVG picture: how many came in time with at most so many times the
 * optimum's distortion.
 */
public final class StreamPicture {
    private static final int WIDTH = 760;
    private static final int HEIGHT = 400;
    private static final int LEFT = 50;
    private static final int RIGHT = 140;
    private static final int TOP = 40;
    private static final int BOTTOM = 50;
    private static final int LABEL = 15;
    private static final double RATIO_MAX = 30;
    private static final double[] RATIOS = {1, 1.1, 1.5, 2, 3, 5, 10, 20, RATIO_MAX};

    /** Told apart by people who do not see colours alike, and on white and on black. */
    private static final List<String> COLOURS =
            List.of(
                    "#4e79a7", "#e15759", "#f28e2b", "#edc948", "#b07aa1", "#76b7b2", "#9c755f",
                    "#bab0ac");

    private final SvgDrawing drawing;

    private record Line(String policy, List<Double> ratios, int streams) {
        double share(double ratio) {
            long within = ratios.stream().filter(each -> each <= ratio * (1 + 1e-9)).count();
            return (double) within / streams;
        }
    }

    private StreamPicture(SvgDrawing drawing) {
        this.drawing = drawing;
    }

    /** The picture of a simulation. */
    public static String draw(StreamSimulation simulation) {
        String title = "Streams in time, %, by distortion over the optimum's at most";
        StreamPicture picture = new StreamPicture(new SvgDrawing(WIDTH, HEIGHT, title));
        picture.drawing.title(LEFT, 20, title);
        picture.axes();
        picture.lines(linesOf(simulation.scores()));
        return picture.drawing.finish();
    }

    private static List<Line> linesOf(List<PolicyScore> scores) {
        List<Line> out = new ArrayList<>();
        List<String> policies = scores.stream().map(PolicyScore::policy).distinct().toList();
        int count = policies.size();
        for (int p = 1; p < count; p++) {
            List<Double> ratios = new ArrayList<>();
            int streams = 0;
            for (int i = 0; i < scores.size(); i += count) {
                PolicyScore best = scores.get(i);
                PolicyScore own = scores.get(i + p);
                streams += best.met() ? 1 : 0;
                if (best.met() && own.met()) {
                    ratios.add(own.distortion() / best.distortion());
                }
            }
            out.add(new Line(policies.get(p), ratios, Math.max(1, streams)));
        }
        return out;
    }

    private void axes() {
        for (int percent = 0; percent <= 100; percent += 20) {
            double y = y(percent / 100.0);
            drawing.line(LEFT, y, WIDTH - RIGHT, y);
            drawing.words(LEFT - 6, y + 4, Anchor.END, String.valueOf(percent));
        }
        for (double ratio : RATIOS) {
            drawing.line(x(ratio), y(0), x(ratio), y(1));
            String words = ratio == Math.rint(ratio) ? String.valueOf((int) ratio) : "" + ratio;
            drawing.words(x(ratio), y(0) + 18, Anchor.MIDDLE, words);
        }
        drawing.words(WIDTH - RIGHT, y(0) + 36, Anchor.END, "times the optimum's distortion");
    }

    private void lines(List<Line> lines) {
        for (Line line : lines) {
            List<Point> points = new ArrayList<>();
            for (double x = LEFT; x <= WIDTH - RIGHT; x += 2) {
                points.add(new Point(x, y(line.share(ratio(x)))));
            }
            drawing.path(points, colour(lines, line), line.policy());
        }
        List<Line> fromTop = new ArrayList<>(lines);
        fromTop.sort(Comparator.comparingDouble((Line line) -> line.share(RATIO_MAX)).reversed());
        double last = 0;
        for (Line line : fromTop) {
            last = Math.max(y(line.share(RATIO_MAX)), last + LABEL);
            double x = WIDTH - RIGHT + 12;
            drawing.box(x, last - 5, 10, 10, colour(lines, line), line.policy());
            drawing.words(x + 14, last + 4, Anchor.START, line.policy());
        }
    }

    private static double x(double ratio) {
        return LEFT + Math.log(ratio) / Math.log(RATIO_MAX) * (WIDTH - LEFT - RIGHT);
    }

    private static double ratio(double x) {
        return Math.pow(RATIO_MAX, (x - LEFT) / (WIDTH - LEFT - RIGHT));
    }

    private static double y(double share) {
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
    }

    private static String colour(List<Line> lines, Line line) {
        return COLOURS.get((lines.indexOf(line) + 1) % COLOURS.size());
    }
}
