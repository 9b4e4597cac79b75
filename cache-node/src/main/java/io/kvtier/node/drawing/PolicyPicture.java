package io.kvtier.node.drawing;

import io.kvtier.node.drawing.SvgDrawing.Anchor;
import io.kvtier.node.drawing.SvgDrawing.Point;
import io.kvtier.storage.policy.PolicyRun;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** Hit ratio over capacity, a line a policy, as an SVG picture. */
public final class PolicyPicture {
    private static final int WIDTH = 760;
    private static final int HEIGHT = 400;
    private static final int LEFT = 50;
    private static final int RIGHT = 130;
    private static final int TOP = 40;
    private static final int BOTTOM = 50;
    private static final int LABEL = 15;

    /** Told apart by people who do not see colours alike, and on white and on black. */
    private static final List<String> COLOURS =
            List.of("#76b7b2", "#b07aa1", "#edc948", "#f28e2b", "#e15759", "#4e79a7");

    private final List<PolicyRun> runs;
    private final SvgDrawing drawing;
    private final int smallest;
    private final int largest;
    private final double ratioMax;

    private PolicyPicture(List<PolicyRun> runs, SvgDrawing drawing) {
        this.runs = runs;
        this.drawing = drawing;
        smallest = runs.stream().mapToInt(PolicyRun::capacityBlocks).min().orElse(1);
        largest = runs.stream().mapToInt(PolicyRun::capacityBlocks).max().orElse(1);
        double highest = runs.stream().mapToDouble(PolicyRun::hitRatio).max().orElse(0);
        ratioMax = Math.max(0.1, Math.ceil(highest * 10) / 10);
    }

    /** The picture of some runs, of every policy at every capacity. */
    public static String draw(List<PolicyRun> runs) {
        String title = "Blocks hit as part of a prefix, % of blocks asked, by blocks held";
        PolicyPicture picture = new PolicyPicture(runs, new SvgDrawing(WIDTH, HEIGHT, title));
        picture.drawing.title(LEFT, 20, title);
        picture.axes();
        picture.lines();
        return picture.drawing.finish();
    }

    private void axes() {
        for (int percent = 0; percent <= Math.round(100 * ratioMax); percent += 10) {
            double y = y(percent / 100.0);
            drawing.line(LEFT, y, WIDTH - RIGHT, y);
            drawing.words(LEFT - 6, y + 4, Anchor.END, String.valueOf(percent));
        }
        runs.stream()
                .mapToInt(PolicyRun::capacityBlocks)
                .distinct()
                .forEach(
                        blocks -> {
                            drawing.line(x(blocks), y(0), x(blocks), y(ratioMax));
                            String words = String.format(Locale.ROOT, "%,d", blocks);
                            drawing.words(x(blocks), y(0) + 18, Anchor.MIDDLE, words);
                        });
        drawing.words(
                WIDTH - RIGHT, y(0) + 36, Anchor.END, "blocks held, or the bytes of as many whole");
    }

    private void lines() {
        List<String> policies = runs.stream().map(PolicyRun::policy).distinct().toList();
        List<PolicyRun> ends = new ArrayList<>();
        for (int i = 0; i < policies.size(); i++) {
            String policy = policies.get(i);
            List<PolicyRun> line =
                    runs.stream()
                            .filter(run -> run.policy().equals(policy))
                            .sorted(Comparator.comparingInt(PolicyRun::capacityBlocks))
                            .toList();
            List<Point> points =
                    line.stream()
                            .map(run -> new Point(x(run.capacityBlocks()), y(run.hitRatio())))
                            .toList();
            drawing.path(points, colour(i), policy);
            ends.add(line.getLast());
        }
        label(policies, ends);
    }

    /** Names at the lines' ends, moved down where they would cover each other. */
    private void label(List<String> policies, List<PolicyRun> ends) {
        ends.sort(Comparator.comparingDouble(PolicyRun::hitRatio).reversed());
        double last = 0;
        for (PolicyRun end : ends) {
            last = Math.max(y(end.hitRatio()), last + LABEL);
            double x = WIDTH - RIGHT + 12;
            String colour = colour(policies.indexOf(end.policy()));
            drawing.box(x, last - 5, 10, 10, colour, end.policy());
            drawing.words(x + 14, last + 4, Anchor.START, end.policy());
        }
    }

    /** Capacities double from step to step, so the axis is logarithmic. */
    private double x(int blocks) {
        double share =
                largest == smallest
                        ? 1
                        : Math.log((double) blocks / smallest)
                                / Math.log((double) largest / smallest);
        return LEFT + share * (WIDTH - LEFT - RIGHT);
    }

    private double y(double ratio) {
        return HEIGHT - BOTTOM - ratio / ratioMax * (HEIGHT - TOP - BOTTOM);
    }

    private static String colour(int policy) {
        return COLOURS.get(policy % COLOURS.size());
    }
}
