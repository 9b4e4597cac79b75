package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.Quantizer;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import java.util.ArrayList;
import java.util.List;

/**
 * Two quantizers, the second on what the first leaves: additive codes (CommVQ, ICML 2025, arXiv
 * 2506.18879; residual vector quantization, Y. Chen et al., 2010), and base and refinement of one
 * layered code.
 *
 * @param coarse on the planes
 * @param fine on the difference between them and what coarse gives back
 */
public record Residual(Quantizer coarse, Quantizer fine) implements Quantizer {
    @Override
    public String name() {
        return "residual(" + coarse.name() + " + " + fine.name() + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        SideWriter first = new SideWriter();
        Planes base = coarse.encode(in, chunk, first);
        byte[] section = first.toBytes();
        Planes back = coarse.decode(base, chunk, new SideReader(section));
        SideWriter second = new SideWriter();
        Planes rest = fine.encode(sum(in, back, -1), chunk, second);
        side.varint(base.symbols().size());
        side.bytes(section);
        side.bytes(second.toBytes());
        List<Plane<int[]>> out = new ArrayList<>(base.symbols());
        out.addAll(rest.symbols());
        return new Planes.Symbols(out);
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        List<Plane<int[]>> planes = in.symbols();
        int count = side.varint();
        check(count <= planes.size(), "planes of the coarse code", planes.size(), count);
        SideReader first = new SideReader(side.bytes());
        SideReader second = new SideReader(side.bytes());
        Planes base = new Planes.Symbols(planes.subList(0, count));
        Planes rest = new Planes.Symbols(planes.subList(count, planes.size()));
        Planes low = coarse.decode(base, chunk, first);
        Planes high = fine.decode(rest, chunk, second);
        first.end();
        second.end();
        return sum(low, high, 1);
    }

    /** What fine may be off by on a difference that is at most coarse's error. */
    @Override
    public double largestError(Planes in) {
        double left = coarse.largestError(in);
        List<Plane<float[]>> worst = new ArrayList<>();
        for (Plane<float[]> plane : in.floats()) {
            float[] x = new float[plane.data().length];
            java.util.Arrays.fill(x, (float) left);
            worst.add(new Plane<>(plane.shape(), x));
        }
        return fine.largestError(new Planes.Floats(worst)) + 1e-5 * left;
    }

    private static Planes sum(Planes a, Planes b, float sign) {
        List<Plane<float[]>> x = a.floats();
        List<Plane<float[]>> y = b.floats();
        check(x.size() == y.size(), "planes of the finer code", x.size(), y.size());
        List<Plane<float[]>> out = new ArrayList<>();
        for (int p = 0; p < x.size(); p++) {
            Plane.Shape shape = x.get(p).shape();
            check(y.get(p).shape().equals(shape), "plane", shape, y.get(p).shape());
            float[] z = new float[x.get(p).data().length];
            for (int i = 0; i < z.length; i++) {
                z[i] = x.get(p).data()[i] + sign * y.get(p).data()[i];
            }
            out.add(new Plane<>(shape, z));
        }
        return new Planes.Floats(out);
    }
}
