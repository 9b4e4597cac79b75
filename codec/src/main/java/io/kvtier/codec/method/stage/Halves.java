package io.kvtier.codec.method.stage;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.Quantizer;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;

/** Rounds to halves and hands on their 16 bits: for methods that save elements, not bits. */
public record Halves() implements Quantizer {
    @Override
    public String name() {
        return "halves";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Symbols(
                EachPlane.map(
                        in.floats(),
                        plane -> {
                            int[] q = new int[plane.shape().size()];
                            for (int i = 0; i < q.length; i++) {
                                q[i] = Float.floatToFloat16(plane.data()[i]) & 0xffff;
                            }
                            return new Plane<>(plane.shape().withLevels(1 << 16), q);
                        }));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(
                EachPlane.map(
                        in.symbols(),
                        plane -> {
                            float[] x = new float[plane.shape().size()];
                            for (int i = 0; i < x.length; i++) {
                                x[i] = Float.float16ToFloat((short) plane.data()[i]);
                                CorruptChunkException.check(
                                        Float.isFinite(x[i]), "half", "finite", x[i]);
                            }
                            return new Plane<>(plane.shape().withLevels(0), x);
                        }));
    }

    @Override
    public double largestError(Planes in) {
        return EachPlane.largest(in.floats()) / 2048 + 1e-7;
    }
}
