package io.kvtier.codec.method.stage;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;

/**
 * Sends the first and last tokens of every plane as halves and hands on those between: attention
 * sinks, and the residual window of KIVI (arXiv 2402.02750) and KVTC (arXiv 2511.01815).
 *
 * @param first tokens at the front
 * @param last tokens at the end
 */
public record SplitRaw(int first, int last) implements Transform {
    @Override
    public String name() {
        return "split-raw(" + first + "," + last + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Floats(
                EachPlane.map(
                        in.floats(),
                        plane -> {
                            int rows = plane.shape().rows();
                            int front = Math.min(first, rows);
                            int back = Math.min(last, rows - front);
                            int columns = plane.shape().columns();
                            side.varint(front);
                            side.varint(back);
                            for (int i = 0; i < front * columns; i++) {
                                side.f16(plane.data()[i]);
                            }
                            for (int i = (rows - back) * columns; i < rows * columns; i++) {
                                side.f16(plane.data()[i]);
                            }
                            int between = rows - front - back;
                            float[] x = new float[between * columns];
                            System.arraycopy(plane.data(), front * columns, x, 0, x.length);
                            return new Plane<>(plane.shape().sized(between, columns), x);
                        }));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(
                EachPlane.map(
                        in.floats(),
                        plane -> {
                            int columns = plane.shape().columns();
                            int front = bounded(side, first);
                            int back = bounded(side, last);
                            int rows = plane.shape().rows() + front + back;
                            float[] x = new float[Math.multiplyExact(rows, columns)];
                            System.arraycopy(
                                    plane.data(), 0, x, front * columns, plane.data().length);
                            for (int i = 0; i < front * columns; i++) {
                                x[i] = side.f16();
                            }
                            for (int i = (rows - back) * columns; i < rows * columns; i++) {
                                x[i] = side.f16();
                            }
                            return new Plane<>(plane.shape().sized(rows, columns), x);
                        }));
    }

    @Override
    public double largestError(Planes in) {
        return EachPlane.largest(in.floats()) / 2048 + 1e-7; // half a unit in a half's last place
    }

    private static int bounded(SideReader side, int most) {
        int count = side.varint();
        CorruptChunkException.check(count <= most, "raw tokens", "up to " + most, count);
        return count;
    }
}
