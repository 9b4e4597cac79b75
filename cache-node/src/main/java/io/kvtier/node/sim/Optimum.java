package io.kvtier.node.sim;

import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.PlannedChunk;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * What nobody can beat: it knows how many bytes the link will have carried by the deadline, from
 * one round trip after the first request on, and loses none of them to messages or to what comes
 * too late. Up to {@value #EXACT_CHUNKS_MAX} chunks it is exact; of more it may send a part of one
 * part, so that its distortion is a lower bound, off by less than a part.
 */
record Optimum() implements StreamPolicy {
    /* The least distortion for so many bytes, a grade for each chunk, is a knapsack. Its linear
     * relaxation is the walk down the lower convex hulls of all chunks' (bytes, distortion),
     * steepest first, the last step taken in part. Few chunks are merged one after the other into
     * the choices that no other one beats in both.
     */
    private static final int EXACT_CHUNKS_MAX = 12;

    private record Point(long bytes, double distortion) {}

    private record Drop(long bytes, double distortion) {
        double slope() {
            return distortion / bytes;
        }
    }

    @Override
    public String name() {
        return "optimum";
    }

    @Override
    public PolicyScore run(StreamCase request) {
        long budget =
                (long)
                        request.trace()
                                .bytesBetween(request.roundTripNanos(), request.deadlineNanos());
        List<List<Point>> choices = request.planned().stream().map(Optimum::choices).toList();
        long least = choices.stream().mapToLong(points -> points.getFirst().bytes()).sum();
        if (least > budget) {
            return request.missed(this, budget);
        }
        Point best =
                choices.size() <= EXACT_CHUNKS_MAX
                        ? exact(choices, budget)
                        : relaxed(choices, budget);
        return request.met(this, best.distortion(), best.bytes());
    }

    private static Point exact(List<List<Point>> choices, long budget) {
        List<Point> merged = List.of(new Point(0, 0));
        for (int i = 0; i < choices.size(); i++) {
            long rest =
                    choices.subList(i + 1, choices.size()).stream()
                            .mapToLong(points -> points.getFirst().bytes())
                            .sum();
            List<Point> all = new ArrayList<>();
            for (Point point : merged) {
                for (Point more : choices.get(i)) {
                    long bytes = point.bytes() + more.bytes();
                    if (bytes + rest <= budget) {
                        all.add(new Point(bytes, point.distortion() + more.distortion()));
                    }
                }
            }
            merged = undominated(all);
        }
        return merged.getLast();
    }

    private static Point relaxed(List<List<Point>> choices, long budget) {
        List<Drop> drops = new ArrayList<>();
        double distortion = 0;
        long bytes = 0;
        for (List<Point> points : choices) {
            List<Point> hull = hull(points);
            bytes += hull.getFirst().bytes();
            distortion += hull.getFirst().distortion();
            for (int i = 1; i < hull.size(); i++) {
                drops.add(drop(hull.get(i - 1), hull.get(i)));
            }
        }
        drops.sort(Comparator.comparingDouble(Drop::slope).reversed());
        for (Drop drop : drops) {
            double share = Math.min(1, (budget - bytes) / (double) drop.bytes());
            distortion -= share * drop.distortion();
            bytes += (long) Math.ceil(share * drop.bytes());
        }
        return new Point(Math.min(bytes, budget), distortion);
    }

    /** What a chunk can be had at, from its base on. */
    private static List<Point> choices(PlannedChunk chunk) {
        List<Point> points = new ArrayList<>();
        int headMax = 0;
        int tailMax = 0;
        for (var entry : chunk.directory().parts().subList(0, chunk.directory().partsHeld())) {
            int rung = entry.part().rung();
            headMax = entry.part().span().coversHead() ? Math.max(headMax, rung) : headMax;
            tailMax = entry.part().span().coversTail() ? Math.max(tailMax, rung) : tailMax;
        }
        for (int head = 0; head <= headMax; head++) {
            for (int tail = head; tail <= Math.max(head, tailMax); tail++) {
                Grade grade = new Grade(head, tail);
                points.add(new Point(chunk.bytes(grade), chunk.distortion(grade)));
            }
        }
        return undominated(points);
    }

    /** Those that no other one beats in both, by rising bytes. */
    private static List<Point> undominated(List<Point> points) {
        points.sort(Comparator.comparingLong(Point::bytes).thenComparingDouble(Point::distortion));
        List<Point> out = new ArrayList<>();
        for (Point point : points) {
            if (out.isEmpty() || point.distortion() < out.getLast().distortion()) {
                out.add(point);
            }
        }
        return out;
    }

    private static List<Point> hull(List<Point> undominated) {
        List<Point> hull = new ArrayList<>();
        for (Point point : undominated) {
            while (hull.size() >= 2
                    && drop(hull.get(hull.size() - 2), hull.getLast()).slope()
                            <= drop(hull.getLast(), point).slope()) {
                hull.removeLast();
            }
            hull.add(point);
        }
        return hull;
    }

    private static Drop drop(Point from, Point to) {
        return new Drop(to.bytes() - from.bytes(), from.distortion() - to.distortion());
    }
}
