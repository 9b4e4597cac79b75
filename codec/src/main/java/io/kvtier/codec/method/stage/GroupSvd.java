package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;
import java.util.ArrayList;
import java.util.List;

/**
 * xKV: the layers of a group, side by side, share a subspace of tokens; their matrix {@code
 * [tokens, layers·channels]} is kept at a rank, as scores {@code [tokens, rank]} that are handed on
 * and a basis that is sent as halves (Chang et al., ICML 2026, arXiv 2503.18893, section 3). The
 * leading singular vectors come from the smaller of the two Gram matrices.
 *
 * <p>Side information: 16·rank·layers·channels bits a group. Keys belong undone from RoPE before.
 *
 * @param layers of a group
 * @param rank kept components of a group
 */
public record GroupSvd(int layers, int rank) implements Transform {
    /** Checks ranges. */
    public GroupSvd {
        check(layers >= 1, "layers", layers, "at least 1");
        check(rank >= 1, "rank", rank, "at least 1");
    }

    @Override
    public String name() {
        return "group-svd(" + layers + "," + rank + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        List<Plane<float[]>> out = new ArrayList<>();
        List<Plane<float[]>> planes = in.floats();
        for (int i = 0; i < planes.size(); ) {
            int end = i + 1;
            while (end < planes.size() && together(planes.get(i), planes.get(end))) {
                end++;
            }
            out.add(encode(planes.subList(i, end), side));
            i = end;
        }
        return new Planes.Floats(out);
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        List<Plane<float[]>> out = new ArrayList<>();
        for (Plane<float[]> plane : in.floats()) {
            int count = side.varint();
            int columns = side.varint();
            int kept = plane.shape().columns();
            CorruptChunkException.check(
                    count >= 1 && count <= layers, "layers of a group", "up to " + layers, count);
            long width = (long) count * columns;
            CorruptChunkException.check(
                    width * kept <= 1 << 26, "elements of a basis", "up to 2^26", width * kept);
            float[] basis = new float[(int) width * kept];
            for (int j = 0; j < basis.length; j++) {
                basis[j] = side.f16();
            }
            split(plane, count, columns, basis, out);
        }
        return new Planes.Floats(out);
    }

    /** A projection shortens; what it leaves out is no longer than what there was. */
    @Override
    public double largestError(Planes in) {
        int columns = in.floats().stream().mapToInt(p -> p.shape().columns()).max().orElse(1);
        double largest = EachPlane.largest(in.floats());
        return 1.1 * largest * Math.sqrt((double) columns * layers) + 1e-5;
    }

    private boolean together(Plane<float[]> a, Plane<float[]> b) {
        return a.shape().kind() == b.shape().kind()
                && a.shape().layer() / layers == b.shape().layer() / layers
                && a.shape().rows() == b.shape().rows()
                && a.shape().columns() == b.shape().columns();
    }

    private Plane<float[]> encode(List<Plane<float[]>> group, SideWriter side) {
        Plane.Shape shape = group.getFirst().shape();
        int rows = shape.rows();
        int width = shape.columns() * group.size();
        float[] x = sideBySide(group, rows, shape.columns());
        int kept = Math.min(rank, Math.min(rows, width));
        float[] basis = basis(x, rows, width, kept);
        side.varint(group.size());
        side.varint(shape.columns());
        for (int i = 0; i < basis.length; i++) {
            basis[i] = side.f16(basis[i]);
        }
        float[] scores = new float[rows * kept];
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < kept; c++) {
                double sum = 0;
                for (int i = 0; i < width; i++) {
                    sum += (double) x[r * width + i] * basis[c * width + i];
                }
                scores[r * kept + c] = (float) sum;
            }
        }
        return new Plane<>(shape.sized(rows, kept), scores);
    }

    private static void split(
            Plane<float[]> plane, int count, int columns, float[] basis, List<Plane<float[]>> out) {
        Plane.Shape shape = plane.shape();
        int kept = shape.columns();
        int width = count * columns;
        for (int layer = 0; layer < count; layer++) {
            float[] x = new float[shape.rows() * columns];
            for (int r = 0; r < shape.rows(); r++) {
                for (int c = 0; c < kept; c++) {
                    float score = plane.data()[r * kept + c];
                    int from = c * width + layer * columns;
                    for (int i = 0; i < columns; i++) {
                        x[r * columns + i] += score * basis[from + i];
                    }
                }
            }
            out.add(
                    new Plane<>(
                            new Plane.Shape(
                                    shape.kind(),
                                    shape.layer() + layer,
                                    shape.head(),
                                    shape.rows(),
                                    columns,
                                    0),
                            x));
        }
    }

    private static float[] sideBySide(List<Plane<float[]>> group, int rows, int columns) {
        float[] out = new float[rows * columns * group.size()];
        int width = columns * group.size();
        for (int layer = 0; layer < group.size(); layer++) {
            for (int r = 0; r < rows; r++) {
                System.arraycopy(
                        group.get(layer).data(),
                        r * columns,
                        out,
                        r * width + layer * columns,
                        columns);
            }
        }
        return out;
    }

    /** Orthonormal rows {@code [kept, width]}: the leading right singular vectors of x. */
    private static float[] basis(float[] x, int rows, int width, int kept) {
        boolean wide = rows < width;
        int n = wide ? rows : width;
        double[] gram = new double[n * n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j <= i; j++) {
                double sum = 0;
                int length = wide ? width : rows;
                for (int k = 0; k < length; k++) {
                    double a = wide ? x[i * width + k] : x[k * width + i];
                    double b = wide ? x[j * width + k] : x[k * width + j];
                    sum += a * b;
                }
                gram[i * n + j] = sum;
                gram[j * n + i] = sum;
            }
        }
        SymmetricEigen eigen = SymmetricEigen.of(gram, n);
        float[] out = new float[kept * width];
        for (int c = 0; c < kept; c++) {
            double value = eigen.values()[c];
            if (value <= 1e-12 * Math.max(eigen.values()[0], 1e-30)) {
                break; // what is left has no energy
            }
            for (int i = 0; i < width; i++) {
                double sum = wide ? 0 : eigen.vectors()[i * n + c];
                for (int r = 0; wide && r < rows; r++) {
                    sum += eigen.vectors()[r * n + c] * x[r * width + i];
                }
                out[c * width + i] = (float) (wide ? sum / Math.sqrt(value) : sum);
            }
        }
        return out;
    }
}
