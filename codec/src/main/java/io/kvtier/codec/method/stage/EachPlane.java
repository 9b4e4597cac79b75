package io.kvtier.codec.method.stage;

import io.kvtier.codec.method.Plane;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** Applies one function to each plane in order, as most stages do. */
final class EachPlane {
    private EachPlane() {}

    static <A, B> List<Plane<B>> map(List<Plane<A>> in, Function<Plane<A>, Plane<B>> step) {
        List<Plane<B>> out = new ArrayList<>(in.size());
        for (Plane<A> plane : in) {
            out.add(step.apply(plane));
        }
        return out;
    }

    static float largest(Plane<float[]> plane) {
        float out = 0;
        for (float x : plane.data()) {
            out = Math.max(out, Math.abs(x));
        }
        return out;
    }

    /** The largest magnitude of all planes. */
    static float largest(List<Plane<float[]>> planes) {
        float out = 0;
        for (Plane<float[]> plane : planes) {
            out = Math.max(out, largest(plane));
        }
        return out;
    }
}
