package io.kvtier.codec.method.stage;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;
import java.util.ArrayList;
import java.util.List;

/**
 * Forces Cross-Layer Attention on a model that was not trained for it: of each run of layers only
 * the lowest is kept, and read for all (Brandon et al., NeurIPS 2024, arXiv 2405.12981). A bad
 * codec, for comparison; models that do share layers say so by {@code Geometry.kvSource}.
 *
 * @param run layers that share, at least 2
 */
public record ShareLayers(int run) implements Transform {
    /** Checks ranges. */
    public ShareLayers {
        check(run >= 2, "run", run, "at least 2");
    }

    @Override
    public String name() {
        return "share-layers(" + run + ")";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return new Planes.Floats(
                in.floats().stream().filter(p -> p.shape().layer() % run == 0).toList());
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        int layers = chunk.geometry().storedLayers().size();
        List<Plane<float[]>> out = new ArrayList<>();
        for (Plane<float[]> plane : in.floats()) {
            Plane.Shape shape = plane.shape();
            for (int layer = shape.layer();
                    layer < Math.min(shape.layer() + run, layers);
                    layer++) {
                Plane.Shape copy =
                        new Plane.Shape(
                                shape.kind(),
                                layer,
                                shape.head(),
                                shape.rows(),
                                shape.columns(),
                                0);
                out.add(new Plane<>(copy, plane.data()));
            }
        }
        return new Planes.Floats(out);
    }

    @Override
    public double largestError(Planes in) {
        return 2 * EachPlane.largest(in.floats()) + 1e-6;
    }
}
