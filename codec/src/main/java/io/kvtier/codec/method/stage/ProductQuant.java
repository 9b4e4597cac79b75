package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.Quantizer;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import java.util.function.IntUnaryOperator;

/**
 * Product quantization: runs of channels are replaced by the nearest of 256 centroids of their
 * place, which k-means finds on the chunk (H. Jégou et al., PAMI 2011; VQ-Rec, Hou et al., WWW
 * 2023, arXiv 2210.12316). 8/width bits an element and the codebook.
 *
 * <p>Side information: 16·centroids·width bits for each run of channels. Worth it for long chunks
 * only.
 *
 * @param width channels of a run
 * @param centroids of each place, 2..256
 * @param iterations of Lloyd's algorithm
 */
public record ProductQuant(int width, int centroids, int iterations) implements Quantizer {
    /** Checks ranges. */
    public ProductQuant {
        check(width >= 1 && width <= 64, "width", width, "1..64");
        check(centroids >= 2 && centroids <= 256, "centroids", centroids, "2..256");
        check(iterations >= 0 && iterations <= 100, "iterations", iterations, "0..100");
    }

    @Override
    public String name() {
        return "product-quant(" + width + "," + centroids + "," + iterations + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Symbols(EachPlane.map(in.floats(), plane -> encode(plane, side)));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(EachPlane.map(in.symbols(), plane -> decode(plane, side)));
    }

    @Override
    public double largestError(Planes in) {
        return 2.01 * EachPlane.largest(in.floats()) + 1e-6;
    }

    private Plane<int[]> encode(Plane<float[]> plane, SideWriter side) {
        int runs = Shapes.groups(plane.shape(), width);
        int rows = plane.shape().rows();
        int[] q = new int[rows * runs];
        for (int run = 0; run < runs; run++) {
            int first = run * width;
            int columns = plane.shape().columns();
            IntUnaryOperator at = r -> r * columns + first;
            float[] book = train(plane.data(), rows, at);
            for (int i = 0; i < book.length; i++) {
                book[i] = side.f16(book[i]);
            }
            for (int r = 0; r < rows; r++) {
                q[r * runs + run] = nearest(book, plane.data(), at.applyAsInt(r));
            }
        }
        return new Plane<>(plane.shape().sized(rows, runs).withLevels(centroids), q);
    }

    private Plane<float[]> decode(Plane<int[]> plane, SideReader side) {
        int runs = plane.shape().columns();
        int rows = plane.shape().rows();
        int columns = Math.multiplyExact(runs, width);
        float[] x = new float[Math.multiplyExact(rows, columns)];
        float[] book = new float[centroids * width];
        for (int run = 0; run < runs; run++) {
            for (int i = 0; i < book.length; i++) {
                book[i] = side.f16();
            }
            for (int r = 0; r < rows; r++) {
                int code = plane.data()[r * runs + run];
                CorruptChunkException.check(code < centroids, "code", "below " + centroids, code);
                System.arraycopy(book, code * width, x, r * columns + run * width, width);
            }
        }
        return new Plane<>(plane.shape().sized(rows, columns).withLevels(0), x);
    }

    /** Lloyd's algorithm from farthest points; a cell without members stays where it is. */
    private float[] train(float[] x, int rows, IntUnaryOperator at) {
        float[] book = new float[centroids * width];
        double[] distance = new double[rows];
        java.util.Arrays.fill(distance, Double.POSITIVE_INFINITY);
        int next = 0;
        for (int c = 0; c < centroids && rows > 0; c++) {
            System.arraycopy(x, at.applyAsInt(next), book, c * width, width);
            for (int r = 0; r < rows; r++) {
                distance[r] = Math.min(distance[r], squared(book, c, x, at.applyAsInt(r)));
                next = distance[r] > distance[next] ? r : next;
            }
        }
        for (int iteration = 0; iteration < iterations; iteration++) {
            double[] sums = new double[book.length];
            int[] counts = new int[centroids];
            for (int r = 0; r < rows; r++) {
                int c = nearest(book, x, at.applyAsInt(r));
                counts[c]++;
                for (int i = 0; i < width; i++) {
                    sums[c * width + i] += x[at.applyAsInt(r) + i];
                }
            }
            for (int i = 0; i < book.length; i++) {
                int count = counts[i / width];
                book[i] = count == 0 ? book[i] : (float) (sums[i] / count);
            }
        }
        return book;
    }

    private int nearest(float[] book, float[] x, int at) {
        int best = 0;
        double least = Double.POSITIVE_INFINITY;
        for (int c = 0; c < centroids; c++) {
            double distance = squared(book, c, x, at);
            if (distance < least) {
                least = distance;
                best = c;
            }
        }
        return best;
    }

    private double squared(float[] book, int centroid, float[] x, int at) {
        double out = 0;
        for (int i = 0; i < width; i++) {
            double d = book[centroid * width + i] - x[at + i];
            out += d * d;
        }
        return out;
    }
}
