package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.Quantizer;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import java.util.ArrayList;
import java.util.List;

/**
 * Rounds each head of each token with the bits that the chunk's rates give it: nothing of it at 0,
 * halves at 16, and between them steps of equal width from the row's least to its largest element.
 * Rows of one rate make a plane, head after head, tokens ascending. Decoding puts zeros where rows
 * are missing. What policies that grade rates (LLMS, recency, the rate optimizer) are judged by.
 *
 * <p>Side information: 32 bits a row that is neither dropped nor raw.
 */
public record RateQuant() implements Quantizer {
    @Override
    public String name() {
        return "rate-quant";
    }

    @Override
    public boolean readsRates() {
        return true;
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        List<Plane<int[]>> out = new ArrayList<>();
        for (Plane<float[]> plane : in.floats()) {
            Plane.Shape shape = plane.shape();
            int dim = chunk.dim(shape.kind());
            Shapes.check(shape, chunk.tokens(), chunk.geometry().kvHeads() * dim);
            for (int bits = 1; bits <= RateMap.RAW; bits++) {
                int[] rows = rows(chunk, shape.kind(), shape.layer(), bits);
                int[] q = new int[rows.length * dim];
                for (int r = 0; r < rows.length; r++) {
                    quantize(plane.data(), rows[r] * dim, bits, dim, q, r * dim, side);
                }
                if (rows.length > 0) {
                    out.add(
                            new Plane<>(
                                    of(shape.kind(), shape.layer(), rows.length, dim, bits), q));
                }
            }
        }
        return new Planes.Symbols(out);
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        List<Plane<int[]>> planes = in.symbols();
        List<Plane<float[]>> out = new ArrayList<>();
        int next = 0;
        for (Kind kind : Kind.values()) {
            int dim = chunk.dim(kind);
            int columns = chunk.geometry().kvHeads() * dim;
            for (int layer = 0; layer < chunk.rates().layers(); layer++) {
                float[] x = new float[chunk.tokens() * columns];
                for (int bits = 1; bits <= RateMap.RAW; bits++) {
                    int[] rows = rows(chunk, kind, layer, bits);
                    if (rows.length == 0) {
                        continue;
                    }
                    Plane.Shape expected = of(kind, layer, rows.length, dim, bits);
                    check(next < planes.size(), "planes", "one of " + expected, "no more");
                    Plane<int[]> plane = planes.get(next++);
                    check(plane.shape().equals(expected), "plane", expected, plane.shape());
                    for (int r = 0; r < rows.length; r++) {
                        restore(plane.data(), r * dim, bits, dim, x, rows[r] * dim, side);
                    }
                }
                Plane.Shape whole = new Plane.Shape(kind, layer, -1, chunk.tokens(), columns, 0);
                out.add(new Plane<>(whole, x));
            }
        }
        check(next == planes.size(), "planes", next, planes.size());
        return new Planes.Floats(out);
    }

    /** A dropped element is off by all of it; what is kept by less. */
    @Override
    public double largestError(Planes in) {
        return EachPlane.largest(in.floats()) * 1.01 + 1e-6;
    }

    private static Plane.Shape of(Kind kind, int layer, int rows, int dim, int bits) {
        return new Plane.Shape(kind, layer, -1, rows, dim, 1 << bits);
    }

    /** Index token · heads + head of the rows of one rate, head after head. */
    private static int[] rows(Chunk chunk, Kind kind, int layer, int bits) {
        int heads = chunk.geometry().kvHeads();
        int tokens = chunk.tokens();
        byte[] rates = chunk.rates().plane(kind)[layer];
        int[] out = new int[rates.length];
        int count = 0;
        for (int i = 0; i < rates.length; i++) {
            if (rates[i] == bits) {
                out[count++] = i % tokens * heads + i / tokens;
            }
        }
        return java.util.Arrays.copyOf(out, count);
    }

    private static void quantize(
            float[] x, int from, int bits, int dim, int[] q, int to, SideWriter side) {
        if (bits == RateMap.RAW) {
            for (int i = 0; i < dim; i++) {
                q[to + i] = Float.floatToFloat16(x[from + i]) & 0xffff;
            }
            return;
        }
        float min = Float.POSITIVE_INFINITY;
        float max = Float.NEGATIVE_INFINITY;
        for (int i = from; i < from + dim; i++) {
            min = Math.min(min, x[i]);
            max = Math.max(max, x[i]);
        }
        int top = (1 << bits) - 1;
        float low = side.f16(min);
        float step = side.f16((max - low) / top);
        for (int i = 0; i < dim; i++) {
            double steps = step > 0 ? Math.rint((x[from + i] - low) / (double) step) : 0;
            q[to + i] = (int) Math.clamp(steps, 0, top);
        }
    }

    private static void restore(
            int[] q, int from, int bits, int dim, float[] x, int to, SideReader side) {
        if (bits == RateMap.RAW) {
            for (int i = 0; i < dim; i++) {
                x[to + i] = Float.float16ToFloat((short) q[from + i]);
                check(Float.isFinite(x[to + i]), "half", "finite", x[to + i]);
            }
            return;
        }
        float low = side.f16();
        float step = side.f16();
        for (int i = 0; i < dim; i++) {
            x[to + i] = low + step * q[from + i];
            check(Float.isFinite(x[to + i]), "decoded element", "finite", x[to + i]);
        }
    }
}
