package io.kvtier.codec.method.stage;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;
import java.util.Arrays;

/**
 * FlattenQuant's split: a channel whose values exceed a threshold T becomes several columns within
 * ±T that add up to it, x = Σ clip(x − kT, −T, T) by sign, so that one scale fits the whole plane
 * (Zhang et al., LREC-COLING 2024, arXiv 2402.17985). T = upper quartile of the channels' maxima
 * and 1.5 times their interquartile range.
 *
 * <p>Side information: 32 bits a plane and 8 a channel.
 */
public record FlattenChannels() implements Transform {
    private static final int PIECES_MAX = 255;

    @Override
    public String name() {
        return "flatten-channels";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Floats(EachPlane.map(in.floats(), plane -> split(plane, side)));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(EachPlane.map(in.floats(), plane -> join(plane, side)));
    }

    @Override
    public double largestError(Planes in) {
        return EachPlane.largest(in.floats()) * 1e-6 + 1e-7;
    }

    private static Plane<float[]> split(Plane<float[]> plane, SideWriter side) {
        int rows = plane.shape().rows();
        int columns = plane.shape().columns();
        float[] largest = new float[columns];
        for (int i = 0; i < plane.data().length; i++) {
            int c = i % columns;
            largest[c] = Math.max(largest[c], Math.abs(plane.data()[i]));
        }
        float threshold = threshold(largest);
        side.f32(threshold);
        side.varint(columns);
        int[] pieces = new int[columns];
        int width = 0;
        for (int c = 0; c < columns; c++) {
            pieces[c] = Math.max(1, (int) Math.ceil(largest[c] / threshold));
            side.u8(pieces[c]);
            width += pieces[c];
        }
        float[] out = new float[rows * width];
        for (int r = 0; r < rows; r++) {
            int at = r * width;
            for (int c = 0; c < columns; c++) {
                float x = plane.data()[r * columns + c];
                float rest = Math.abs(x);
                for (int k = 0; k < pieces[c]; k++) {
                    // The last piece takes what rounding leaves.
                    float piece = k == pieces[c] - 1 ? rest : Math.min(rest, threshold);
                    out[at++] = Math.copySign(piece, x);
                    rest -= piece;
                }
            }
        }
        return new Plane<>(plane.shape().sized(rows, width), out);
    }

    private static Plane<float[]> join(Plane<float[]> plane, SideReader side) {
        float _ = side.f32(); // the threshold: pieces add up without it
        int columns = side.varint();
        int width = plane.shape().columns();
        CorruptChunkException.check(
                columns <= width, "channels before flattening", "up to " + width, columns);
        int[] pieces = new int[columns];
        int sum = 0;
        for (int c = 0; c < columns; c++) {
            pieces[c] = side.u8();
            sum += pieces[c];
        }
        CorruptChunkException.check(sum == width, "pieces of the channels", width, sum);
        int rows = plane.shape().rows();
        float[] out = new float[rows * columns];
        for (int r = 0; r < rows; r++) {
            int at = r * width;
            for (int c = 0; c < columns; c++) {
                for (int k = 0; k < pieces[c]; k++) {
                    out[r * columns + c] += plane.data()[at++];
                }
            }
        }
        return new Plane<>(plane.shape().sized(rows, columns), out);
    }

    private static float threshold(float[] largest) {
        float[] sorted = largest.clone();
        Arrays.sort(sorted);
        float low = sorted[(sorted.length - 1) / 4];
        float high = sorted[(sorted.length - 1) * 3 / 4];
        float threshold = high + 1.5f * (high - low);
        float top = sorted[sorted.length - 1];
        return Math.max(Math.max(threshold, top / PIECES_MAX), 1e-30f);
    }
}
