package io.kvtier.codec.method.stage;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Coder;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import java.io.ByteArrayOutputStream;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/**
 * DEFLATE over symbols, a byte each, channel after channel: the lossless end of KVTC (Staniszewski
 * and Łańcucki, ICLR 2026, arXiv 2511.01815).
 */
public record Deflate() implements Coder {
    /** No stream of DEFLATE gives more bytes for one than this. */
    private static final long INFLATION_MAX = 1032;

    @Override
    public String name() {
        return "deflate";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Bytes(
                EachPlane.map(
                        in.symbols(),
                        plane -> new Plane<>(plane.shape(), deflate(byChannel(plane)))));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Symbols(EachPlane.map(in.bytes(), Deflate::decode));
    }

    private static byte[] byChannel(Plane<int[]> plane) {
        Plane.Shape shape = plane.shape();
        CorruptChunkException.check(shape.levels() <= 256, "levels", "up to 256", shape);
        byte[] out = new byte[shape.size()];
        for (int i = 0; i < out.length; i++) {
            int row = i / shape.columns();
            out[i % shape.columns() * shape.rows() + row] = (byte) plane.data()[i];
        }
        return out;
    }

    private static byte[] deflate(byte[] raw) {
        Deflater deflater = new Deflater(Deflater.BEST_COMPRESSION, true);
        try {
            deflater.setInput(raw);
            deflater.finish();
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            byte[] buffer = new byte[1 << 14];
            while (!deflater.finished()) {
                out.write(buffer, 0, deflater.deflate(buffer));
            }
            return out.toByteArray();
        } finally {
            deflater.end();
        }
    }

    private static Plane<int[]> decode(Plane<byte[]> plane) {
        Plane.Shape shape = plane.shape();
        long most = INFLATION_MAX * plane.data().length;
        CorruptChunkException.check(
                shape.size() <= most, "symbols of deflated bytes", "up to " + most, shape.size());
        byte[] raw = new byte[shape.size()];
        Inflater inflater = new Inflater(true);
        try {
            inflater.setInput(plane.data());
            int got = 0;
            while (got < raw.length) {
                int count = inflater.inflate(raw, got, raw.length - got);
                CorruptChunkException.check(count > 0, "inflated bytes", raw.length, got);
                got += count;
            }
            boolean done = raw.length == 0 || inflater.inflate(new byte[1]) == 0;
            CorruptChunkException.check(
                    done && (raw.length == 0 || inflater.finished()),
                    "end of the deflated bytes",
                    "at " + raw.length,
                    "behind it");
        } catch (DataFormatException e) {
            throw new CorruptChunkException(
                    "deflated bytes", "DEFLATE", String.valueOf(e.getMessage()));
        } finally {
            inflater.end();
        }
        int[] q = new int[raw.length];
        for (int i = 0; i < q.length; i++) {
            q[i] = raw[i % shape.columns() * shape.rows() + i / shape.columns()] & 0xff;
            CorruptChunkException.check(
                    q[i] < shape.levels(), "symbol", "below " + shape.levels(), q[i]);
        }
        return new Plane<>(shape, q);
    }
}
