package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;

/**
 * DecoQuant's decomposition: a plane {@code [tokens, channels]}, seen as rows of 16 channels, is
 * U·S·Vᵀ; hands on U·S^½, which is flat, and sends S^½·Vᵀ as halves (Liu et al., ACL 2024, arXiv
 * 2405.12591, two tensors of full rank). The SVD comes from the eigenvectors of the Gram matrix.
 *
 * <p>Side information: 16·width² bits a plane.
 *
 * @param width channels of a row, 2..64
 */
public record BlockPca(int width) implements Transform {
    /** Checks ranges. */
    public BlockPca {
        check(width >= 2 && width <= 64, "width", width, "2..64");
    }

    @Override
    public String name() {
        return "block-pca(" + width + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Floats(EachPlane.map(in.floats(), plane -> encode(plane, side)));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(
                EachPlane.map(
                        in.floats(),
                        plane -> {
                            Shapes.groups(plane.shape(), width);
                            float[] small = new float[width * width];
                            for (int i = 0; i < small.length; i++) {
                                small[i] = side.f16();
                            }
                            return new Plane<>(plane.shape(), times(plane.data(), small));
                        }));
    }

    @Override
    public double largestError(Planes in) {
        return EachPlane.largest(in.floats()) * width / 512 + 1e-5;
    }

    private Plane<float[]> encode(Plane<float[]> plane, SideWriter side) {
        Shapes.groups(plane.shape(), width);
        SymmetricEigen eigen = SymmetricEigen.of(gram(plane.data()), width);
        // x = (x·V·S^-½)·(S^½·Vᵀ), with S the singular values.
        float[] analysis = new float[width * width];
        double floor = 1e-12 * Math.max(eigen.values()[0], 1e-30);
        for (int j = 0; j < width; j++) {
            double root = Math.sqrt(Math.sqrt(Math.max(eigen.values()[j], floor)));
            for (int i = 0; i < width; i++) {
                double v = eigen.vectors()[i * width + j];
                analysis[i * width + j] = (float) (v / root);
            }
        }
        for (int j = 0; j < width; j++) {
            double root = Math.sqrt(Math.sqrt(Math.max(eigen.values()[j], floor)));
            for (int i = 0; i < width; i++) {
                side.f16((float) (eigen.vectors()[i * width + j] * root));
            }
        }
        return new Plane<>(plane.shape(), times(plane.data(), analysis));
    }

    private double[] gram(float[] x) {
        double[] out = new double[width * width];
        for (int at = 0; at < x.length; at += width) {
            for (int i = 0; i < width; i++) {
                for (int j = 0; j < width; j++) {
                    out[i * width + j] += (double) x[at + i] * x[at + j];
                }
            }
        }
        return out;
    }

    /** Each row of {@code width} times a matrix {@code [width, width]}. */
    private float[] times(float[] x, float[] matrix) {
        float[] out = new float[x.length];
        for (int at = 0; at < x.length; at += width) {
            for (int i = 0; i < width; i++) {
                for (int j = 0; j < width; j++) {
                    out[at + j] += x[at + i] * matrix[i * width + j];
                }
            }
        }
        return out;
    }
}
