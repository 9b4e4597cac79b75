package io.kvtier.codec.method.stage;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Iterator;
import java.util.List;

/**
 * Takes out the tokens whose rate is 0. Where all heads keep the same tokens the plane stays one
 * with fewer rows; else it becomes one for each head that holds its kept tokens, in ascending
 * position. Decoding puts zeros where tokens are missing; which they are is in the chunk's rates.
 * Whoever computes attention masks missing keys.
 */
public record DropTokens() implements Transform {
    @Override
    public String name() {
        return "drop-tokens";
    }

    @Override
    public boolean readsRates() {
        return true;
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        List<Plane<float[]>> out = new ArrayList<>();
        for (Plane<float[]> plane : in.floats()) {
            Plane.Shape shape = plane.shape();
            int columns = chunk.geometry().kvHeads() * chunk.dim(shape.kind());
            Shapes.check(shape, chunk.tokens(), columns);
            for (Run run : runs(chunk, shape.kind(), shape.layer())) {
                float[] x = new float[run.shape.size()];
                run.copy(plane.data(), columns, x, true);
                out.add(new Plane<>(run.shape, x));
            }
        }
        return new Planes.Floats(out);
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        List<Plane<float[]>> out = new ArrayList<>();
        Iterator<Plane<float[]>> planes = in.floats().iterator();
        while (planes.hasNext()) {
            Plane<float[]> plane = planes.next();
            Kind kind = plane.shape().kind();
            int layer = plane.shape().layer();
            int columns = chunk.geometry().kvHeads() * chunk.dim(kind);
            float[] x = new float[chunk.tokens() * columns];
            List<Run> runs = runs(chunk, kind, layer);
            for (int i = 0; i < runs.size(); i++) {
                Run run = runs.get(i);
                if (i > 0) {
                    CorruptChunkException.check(
                            planes.hasNext(), "planes", "one of " + run.shape, "no more");
                    plane = planes.next();
                }
                CorruptChunkException.check(
                        plane.shape().equals(run.shape), "plane", run.shape, plane.shape());
                run.copy(x, columns, plane.data(), false);
            }
            out.add(new Plane<>(new Plane.Shape(kind, layer, -1, chunk.tokens(), columns, 0), x));
        }
        return new Planes.Floats(out);
    }

    /** The columns from {@code first} on of the kept tokens. */
    private record Run(Plane.Shape shape, BitSet kept, int first) {
        /** Copies from the whole plane to these rows, or back. */
        void copy(float[] whole, int columns, float[] rows, boolean out) {
            int at = 0;
            for (int t = kept.nextSetBit(0); t >= 0; t = kept.nextSetBit(t + 1)) {
                int place = t * columns + first;
                if (out) {
                    System.arraycopy(whole, place, rows, at, shape.columns());
                } else {
                    System.arraycopy(rows, at, whole, place, shape.columns());
                }
                at += shape.columns();
            }
        }
    }

    private static List<Run> runs(Chunk chunk, Kind kind, int layer) {
        int heads = chunk.geometry().kvHeads();
        int dim = chunk.dim(kind);
        List<Run> out = new ArrayList<>();
        boolean same = true;
        for (int head = 0; head < heads; head++) {
            BitSet kept = chunk.rates().kept(kind, layer, head);
            int rows = kept.cardinality();
            same &= out.isEmpty() || kept.equals(out.getFirst().kept);
            Plane.Shape shape = new Plane.Shape(kind, layer, head, rows, dim, 0);
            out.add(new Run(shape, kept, head * dim));
        }
        if (!same) {
            return out;
        }
        Run first = out.getFirst();
        int rows = first.shape.rows();
        return List.of(
                new Run(new Plane.Shape(kind, layer, -1, rows, heads * dim, 0), first.kept, 0));
    }

    @Override
    public double largestError(Planes in) {
        return EachPlane.largest(in.floats());
    }
}
