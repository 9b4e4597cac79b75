package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.Quantizer;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import java.util.List;

/**
 * Quantizes each token by the largest magnitude of its row: q = round(x · M / max|x|) + M, M =
 * bins/2 − 1, so bins − 1 symbols. As CacheGen's public code does, with bins by layer (Liu et al.,
 * SIGCOMM 2024, arXiv 2310.07240, {@code torch_quant_vectorized}); with one number of bins it is
 * plain rounding to nearest (RTN).
 *
 * <p>Side information: 16 bits a token and plane.
 *
 * @param keyBins bins of keys by layer, even, 4..256; the last one stands for all further layers
 * @param valueBins the same for values
 */
public record TokenQuant(List<Integer> keyBins, List<Integer> valueBins) implements Quantizer {
    /** Checks ranges. */
    public TokenQuant {
        keyBins = List.copyOf(keyBins);
        valueBins = List.copyOf(valueBins);
        for (List<Integer> bins : List.of(keyBins, valueBins)) {
            check(!bins.isEmpty(), "bins", bins, "at least one number");
            for (int b : bins) {
                check(b >= 4 && b <= 256 && b % 2 == 0, "bins", b, "even, 4..256");
            }
        }
    }

    /** Rounding to nearest with 2^bits bins everywhere. */
    public static TokenQuant uniform(int bits) {
        return new TokenQuant(List.of(1 << bits), List.of(1 << bits));
    }

    @Override
    public String name() {
        return "token-quant(" + keyBins + "," + valueBins + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Symbols(EachPlane.map(in.floats(), plane -> encode(plane, side)));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(EachPlane.map(in.symbols(), plane -> decode(plane, side)));
    }

    @Override
    public double largestError(Planes in) {
        double out = 1e-7;
        for (Plane<float[]> plane : in.floats()) {
            double largest = EachPlane.largest(plane);
            out = Math.max(out, largest * (0.5 / top(plane.shape()) + 1.0 / 1024));
        }
        return out;
    }

    private Plane<int[]> encode(Plane<float[]> plane, SideWriter side) {
        int columns = plane.shape().columns();
        int top = top(plane.shape());
        int[] q = new int[plane.shape().size()];
        for (int at = 0; at < q.length; at += columns) {
            float max = 0;
            for (int c = 0; c < columns; c++) {
                max = Math.max(max, Math.abs(plane.data()[at + c]));
            }
            max = side.f16(max);
            for (int c = 0; c < columns; c++) {
                float steps = max == 0 ? 0 : plane.data()[at + c] * top / max;
                q[at + c] = Math.clamp((int) Math.rint(steps), -top, top) + top;
            }
        }
        return new Plane<>(plane.shape().withLevels(2 * top + 1), q);
    }

    private Plane<float[]> decode(Plane<int[]> plane, SideReader side) {
        int columns = plane.shape().columns();
        int top = top(plane.shape());
        float[] x = new float[plane.shape().size()];
        for (int at = 0; at < x.length; at += columns) {
            float max = side.f16();
            for (int c = 0; c < columns; c++) {
                x[at + c] = (plane.data()[at + c] - top) * max / top;
            }
        }
        return new Plane<>(plane.shape().withLevels(0), x);
    }

    private int top(Plane.Shape shape) {
        List<Integer> bins = shape.kind() == Kind.KEYS ? keyBins : valueBins;
        return bins.get(Math.min(shape.layer(), bins.size() - 1)) / 2 - 1;
    }
}
