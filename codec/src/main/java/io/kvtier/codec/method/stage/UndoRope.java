package io.kvtier.codec.method.stage;

import io.kvtier.codec.Rotation;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.method.Chunk;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Plane;
import io.kvtier.codec.method.Planes;
import io.kvtier.codec.method.SideReader;
import io.kvtier.codec.method.SideWriter;
import io.kvtier.codec.method.Transform;

/**
 * Turns keys back to what they were before RoPE, where channels have means and subspaces that hold
 * for all positions; exact but for rounding. Takes whole planes {@code [tokens, kvHeads·keyDim]}.
 */
public record UndoRope() implements Transform {
    @Override
    public String name() {
        return "undo-rope";
    }

    @Override
    public Planes encode(Planes in, Chunk chunk, SideWriter side) {
        return rotate(in, chunk, false);
    }

    @Override
    public Planes decode(Planes in, Chunk chunk, SideReader side) {
        return rotate(in, chunk, true);
    }

    @Override
    public double largestError(Planes in) {
        return 1e-5 * Math.max(1, EachPlane.largest(in.floats()));
    }

    private static Planes rotate(Planes in, Chunk chunk, boolean apply) {
        return new Planes.Floats(
                EachPlane.map(
                        in.floats(),
                        plane ->
                                plane.shape().kind() == Kind.KEYS
                                        ? rotate(plane, chunk, apply)
                                        : plane));
    }

    private static Plane<float[]> rotate(Plane<float[]> plane, Chunk chunk, boolean apply) {
        Geometry geometry = chunk.geometry();
        int layer = geometry.storedLayers().get(plane.shape().layer());
        Rotation rotation = new Rotation(geometry.ropeOf(layer));
        if (rotation.isNone()) {
            return plane;
        }
        Shapes.check(plane.shape(), chunk.tokens(), geometry.kvHeads() * geometry.keyDim());
        rotation.begin(chunk.firstPosition(), chunk.tokens());
        float[] x = plane.data().clone();
        for (int t = 0; t < chunk.tokens(); t++) {
            for (int head = 0; head < geometry.kvHeads(); head++) {
                int at = (t * geometry.kvHeads() + head) * geometry.keyDim();
                rotation.rotate(x, at, t, apply);
            }
        }
        return new Plane<>(plane.shape(), x);
    }
}
