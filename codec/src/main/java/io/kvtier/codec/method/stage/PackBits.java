package io.kvtier.codec.method.stage;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Coder;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;

/** Packs symbols into the whole bits that their levels take, high bits first; codes no entropy. */
public record PackBits() implements Coder {
    @Override
    public String name() {
        return "pack-bits";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Bytes(
                EachPlane.map(
                        in.symbols(),
                        plane -> {
                            int bits = bits(plane.shape());
                            byte[] out = new byte[bytes(plane.shape())];
                            long at = 0;
                            for (int q : plane.data()) {
                                for (int b = bits - 1; b >= 0; b--, at++) {
                                    int bit = (q >>> b) & 1;
                                    out[(int) (at >>> 3)] |= (byte) (bit << (7 - (at & 7)));
                                }
                            }
                            return new Plane<>(plane.shape(), out);
                        }));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Symbols(
                EachPlane.map(
                        in.bytes(),
                        plane -> {
                            int bits = bits(plane.shape());
                            int expected = bytes(plane.shape());
                            int length = plane.data().length;
                            CorruptChunkException.check(
                                    length == expected, "packed bytes", expected, length);
                            int[] q = new int[plane.shape().size()];
                            long at = 0;
                            for (int i = 0; i < q.length; i++) {
                                for (int b = 0; b < bits; b++, at++) {
                                    int shift = (int) (7 - (at & 7));
                                    int bit = (plane.data()[(int) (at >>> 3)] >>> shift) & 1;
                                    q[i] = (q[i] << 1) | bit;
                                }
                                CorruptChunkException.check(
                                        q[i] < plane.shape().levels(),
                                        "symbol",
                                        "below " + plane.shape().levels(),
                                        q[i]);
                            }
                            return new Plane<>(plane.shape(), q);
                        }));
    }

    private static int bits(Plane.Shape shape) {
        CorruptChunkException.check(shape.levels() >= 1, "levels", "at least 1", shape);
        return 32 - Integer.numberOfLeadingZeros(shape.levels() - 1);
    }

    private static int bytes(Plane.Shape shape) {
        return Math.toIntExact(((long) shape.size() * bits(shape) + 7) / 8);
    }
}
