package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;
import java.util.BitSet;
import java.util.stream.IntStream;

/**
 * Leaves out the key channels of each head that matter least, by their energy (ThinK, Xu et al.,
 * ICLR 2025, arXiv 2407.21018; there weighted by the energy of the queries, which a tier does not
 * have). Values pass. Equal energies: the lower channel stays.
 *
 * <p>Side information: a bit a channel and plane.
 *
 * @param share of a head's key channels that goes, 0..1; 0.4 in the paper
 */
public record PruneChannels(double share) implements Transform {
    /** Checks ranges. */
    public PruneChannels {
        check(share >= 0 && share < 1, "share", share, "0 or more, below 1");
    }

    @Override
    public String name() {
        return "prune-channels(" + share + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Floats(
                EachPlane.map(
                        in.floats(),
                        plane ->
                                plane.shape().kind() == Kind.KEYS
                                        ? prune(plane, chunk, side)
                                        : plane));
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return new Planes.Floats(
                EachPlane.map(
                        in.floats(),
                        plane -> plane.shape().kind() == Kind.KEYS ? scatter(plane, side) : plane));
    }

    @Override
    public double largestError(Planes in) {
        return EachPlane.largest(in.floats()) + 1e-6;
    }

    private Plane<float[]> prune(Plane<float[]> plane, Chunk chunk, SideWriter side) {
        int columns = plane.shape().columns();
        int dim = chunk.geometry().keyDim();
        int heads = Shapes.groups(plane.shape(), dim);
        double[] energy = new double[columns];
        for (int i = 0; i < plane.data().length; i++) {
            energy[i % columns] += (double) plane.data()[i] * plane.data()[i];
        }
        BitSet kept = new BitSet(columns);
        int keep = dim - (int) (share * dim);
        for (int head = 0; head < heads; head++) {
            IntStream.range(head * dim, (head + 1) * dim)
                    .boxed()
                    .sorted((a, b) -> Double.compare(energy[b], energy[a]))
                    .limit(keep)
                    .forEach(kept::set);
        }
        side.varint(columns);
        side.bits(kept, columns);
        int rows = plane.shape().rows();
        float[] out = new float[rows * kept.cardinality()];
        int at = 0;
        for (int r = 0; r < rows; r++) {
            for (int c = kept.nextSetBit(0); c >= 0; c = kept.nextSetBit(c + 1)) {
                out[at++] = plane.data()[r * columns + c];
            }
        }
        return new Plane<>(plane.shape().sized(rows, kept.cardinality()), out);
    }

    private static Plane<float[]> scatter(Plane<float[]> plane, SideReader side) {
        int columns = side.varint();
        CorruptChunkException.check(
                columns >= plane.shape().columns() && columns <= 1 << 20,
                "channels before pruning",
                "at least those that are left",
                columns);
        BitSet kept = side.bits(columns);
        Shapes.check(plane.shape(), plane.shape().rows(), kept.cardinality());
        int rows = plane.shape().rows();
        float[] out = new float[Math.multiplyExact(rows, columns)];
        int at = 0;
        for (int r = 0; r < rows; r++) {
            for (int c = kept.nextSetBit(0); c >= 0; c = kept.nextSetBit(c + 1)) {
                out[r * columns + c] = plane.data()[at++];
            }
        }
        return new Plane<>(plane.shape().sized(rows, columns), out);
    }
}
