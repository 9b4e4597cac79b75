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
import java.util.List;

/**
 * Takes out the tokens whose rate is 0: a plane of all heads becomes one for each head that holds
 * its kept tokens, in ascending position. Decoding puts zeros where tokens are missing; which they
 * are is in the chunk's rates. Whoever computes attention masks missing keys.
 */
public record DropTokens() implements Transform {
    @Override
    public String name() {
        return "drop-tokens";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        List<Plane<float[]>> out = new ArrayList<>();
        for (Plane<float[]> plane : in.floats()) {
            Plane.Shape shape = plane.shape();
            int heads = chunk.geometry().kvHeads();
            int dim = dim(chunk, shape.kind());
            Shapes.check(shape, chunk.tokens(), heads * dim);
            for (int head = 0; head < heads; head++) {
                BitSet kept = chunk.rates().kept(shape.kind(), shape.layer(), head);
                float[] x = new float[kept.cardinality() * dim];
                int at = 0;
                for (int t = kept.nextSetBit(0); t >= 0; t = kept.nextSetBit(t + 1)) {
                    System.arraycopy(plane.data(), (t * heads + head) * dim, x, at, dim);
                    at += dim;
                }
                int rows = kept.cardinality();
                out.add(
                        new Plane<>(
                                new Plane.Shape(shape.kind(), shape.layer(), head, rows, dim, 0),
                                x));
            }
        }
        return new Planes.Floats(out);
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        int heads = chunk.geometry().kvHeads();
        List<Plane<float[]>> out = new ArrayList<>();
        List<Plane<float[]>> planes = in.floats();
        CorruptChunkException.check(
                planes.size() % heads == 0, "planes", "whole layers", planes.size());
        for (int i = 0; i < planes.size(); i += heads) {
            Plane.Shape first = planes.get(i).shape();
            int dim = dim(chunk, first.kind());
            float[] x = new float[chunk.tokens() * heads * dim];
            for (int head = 0; head < heads; head++) {
                Plane<float[]> plane = planes.get(i + head);
                BitSet kept = chunk.rates().kept(first.kind(), first.layer(), head);
                Plane.Shape expected =
                        new Plane.Shape(
                                first.kind(), first.layer(), head, kept.cardinality(), dim, 0);
                CorruptChunkException.check(
                        plane.shape().equals(expected), "plane", expected, plane.shape());
                int at = 0;
                for (int t = kept.nextSetBit(0); t >= 0; t = kept.nextSetBit(t + 1)) {
                    System.arraycopy(plane.data(), at, x, (t * heads + head) * dim, dim);
                    at += dim;
                }
            }
            out.add(
                    new Plane<>(
                            new Plane.Shape(
                                    first.kind(),
                                    first.layer(),
                                    -1,
                                    chunk.tokens(),
                                    heads * dim,
                                    0),
                            x));
        }
        return new Planes.Floats(out);
    }

    @Override
    public double largestError(Planes in) {
        return EachPlane.largest(in.floats());
    }

    private static int dim(Chunk chunk, Kind kind) {
        return kind == Kind.KEYS ? chunk.geometry().keyDim() : chunk.geometry().valueDim();
    }
}
