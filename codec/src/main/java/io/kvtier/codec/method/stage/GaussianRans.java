package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.entropy.GaussianTables;
import io.kvtier.codec.entropy.LaneDecoder;
import io.kvtier.codec.entropy.LaneEncoder;
import io.kvtier.codec.entropy.TokenTables;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Coder;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/**
 * Entropy coding of symbols that lie around the middle of their levels, each channel by one of the
 * tier's own 64 Gaussian tables (docs/format.md, section 5): a byte a channel instead of a table of
 * its own. Within a percent or two of the entropy where channels are centred.
 */
public record GaussianRans() implements Coder {
    private static final int LANES = 8;

    @Override
    public String name() {
        return "gaussian-rans";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Bytes(EachPlane.map(in.symbols(), plane -> encode(plane, side)));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        int rowsMax = chunk.tokens() * chunk.geometry().kvHeads();
        return new Planes.Symbols(EachPlane.map(in.bytes(), plane -> decode(plane, side, rowsMax)));
    }

    private static Plane<byte[]> encode(Plane<int[]> plane, SideWriter side) {
        Plane.Shape shape = plane.shape();
        if (shape.size() == 0) {
            return new Plane<>(shape, new byte[0]);
        }
        int middle = middle(shape);
        int[] row = new int[shape.rows()];
        TokenTables tokens = new TokenTables(shape.rows());
        tokens.reset(shape.rows());
        LaneEncoder encoder = new LaneEncoder();
        encoder.begin(LANES, 1);
        for (int c = 0; c < shape.columns(); c++) {
            double energy = 0;
            for (int r = 0; r < row.length; r++) {
                row[r] = plane.data()[r * shape.columns() + c] - middle;
                energy += (double) row[r] * row[r];
            }
            int index = GaussianTables.index(Math.sqrt(energy / row.length));
            side.u8(index);
            encoder.row(index, tokens, row, 0);
        }
        ByteBuffer out = encoder.finish();
        byte[] bytes = new byte[out.remaining()];
        out.get(bytes);
        return new Plane<>(shape, bytes);
    }

    private static Plane<int[]> decode(Plane<byte[]> plane, SideReader side, int rowsMax) {
        Plane.Shape shape = plane.shape();
        check(shape.rows() <= rowsMax, "rows of a plane", "up to " + rowsMax, shape.rows());
        if (shape.size() == 0) {
            return new Plane<>(shape, new int[0]);
        }
        side.expect(shape.columns()); // what is said is there before it is believed
        int middle = middle(shape);
        TokenTables tokens = new TokenTables(shape.rows());
        tokens.reset(shape.rows());
        int[] row = new int[shape.rows() + LANES * 4];
        int[] q = new int[shape.size()];
        LaneDecoder decoder = new LaneDecoder();
        decoder.begin(MemorySegment.ofArray(plane.data()));
        for (int c = 0; c < shape.columns(); c++) {
            int index = side.u8();
            check(index < GaussianTables.TABLES, "table", "below 64", index);
            decoder.row(index, tokens, row, 0);
            for (int r = 0; r < shape.rows(); r++) {
                int symbol = row[r] + middle;
                check(
                        symbol >= 0 && symbol < shape.levels(),
                        "symbol",
                        "below " + shape.levels(),
                        symbol);
                q[r * shape.columns() + c] = symbol;
            }
        }
        decoder.finish();
        return new Plane<>(shape, q);
    }

    private static int middle(Plane.Shape shape) {
        check(shape.levels() >= 1, "levels", "at least 1", shape);
        return (shape.levels() - 1) / 2;
    }
}
