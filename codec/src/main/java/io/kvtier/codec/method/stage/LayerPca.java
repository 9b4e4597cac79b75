package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;

/**
 * Turns the channels of a layer to the principal components of a basis that the model's calibration
 * left, so that a few hold most of the energy and nothing of the basis travels: KVTC's transform
 * (Staniszewski and Łańcucki, ICLR 2026, arXiv 2511.01815), by layer. Keys belong undone from RoPE
 * before.
 *
 * @param basis of the model
 * @param id of the basis
 */
public record LayerPca(PcaBasis basis, String id) implements Transform {
    /** Turns to this basis. */
    public LayerPca(PcaBasis basis) {
        this(basis, basis.id());
    }

    @Override
    public String name() {
        return "layer-pca(" + id + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Floats(EachPlane.map(in.floats(), this::turn));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(EachPlane.map(in.floats(), this::back));
    }

    /** Turning back what was turned leaves rounding, by the length of a row. */
    @Override
    public double largestError(Planes in) {
        return 1e-3 * Math.max(1, EachPlane.largest(in.floats()));
    }

    private Plane<float[]> turn(Plane<float[]> plane) {
        int at = at(plane.shape());
        int width = basis.columns();
        float[] mean = basis.means()[at];
        float[] matrix = basis.components()[at];
        float[] y = new float[plane.data().length];
        float[] x = new float[width];
        for (int from = 0; from < y.length; from += width) {
            for (int i = 0; i < width; i++) {
                x[i] = plane.data()[from + i] - mean[i];
            }
            for (int c = 0; c < width; c++) {
                float sum = 0;
                for (int i = 0; i < width; i++) {
                    sum += x[i] * matrix[c * width + i];
                }
                y[from + c] = sum;
            }
        }
        return new Plane<>(plane.shape(), y);
    }

    private Plane<float[]> back(Plane<float[]> plane) {
        int at = at(plane.shape());
        int width = basis.columns();
        float[] matrix = basis.components()[at];
        float[] x = new float[plane.data().length];
        for (int from = 0; from < x.length; from += width) {
            System.arraycopy(basis.means()[at], 0, x, from, width);
            for (int c = 0; c < width; c++) {
                float y = plane.data()[from + c];
                for (int i = 0; y != 0 && i < width; i++) {
                    x[from + i] += y * matrix[c * width + i];
                }
            }
        }
        return new Plane<>(plane.shape(), x);
    }

    private int at(Plane.Shape shape) {
        check(shape.layer() < basis.layers(), "layer", shape.layer(), "one of the basis");
        check(shape.columns() == basis.columns(), "channels", shape.columns(), basis.columns());
        return basis.at(shape.kind(), shape.layer());
    }
}
